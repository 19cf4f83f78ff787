"""Judge a style network on sessions it never saw, beside its teacher; and draw what it paints.

Reads frames in memory, the network and the assets `style-teacher` and `mobilenetv2`; writes
nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from infra.assets import member_path
from models.gram import gram_distance, grams
from models.mobilenet import MobileNetPyramid
from models.precision import autocast, cpu_precision
from tasks.style.evaluation import (
    EMA,
    MODEL,
    NAMED,
    PICTURE,
    SOURCE,
    TEACHER,
    StyleEvaluation,
    StyleScore,
)
from tasks.style.scores import Motion, edge_ssim, unit
from tasks.style.teacher import CodePredictor, Teacher
from tasks.style.textures import KINDS, UNSEEN, texture
from tasks.views.appearance import ASSET as FEATURES_ASSET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from models.style import StyleNet
    from tasks.superresolution.evaluate import HeldOut

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

# Of a clip; and clips of a session that are judged.
JUDGED_FRAMES, JUDGED_CLIPS = 6, 1
# px of the shorter side: what the figures of MODELS are for.
SIDE = 224
# The share of the new frame in the teacher's mean over frames.
EMA_SHARE = 0.5
SHOWN_STYLES, SHOWN_HEIGHT = 4, 200


@dataclass(frozen=True)
class Style:
    """A style to be judged in: one of the network's own, or that of a picture with its code."""

    kind: str
    name: str
    picture: Pixels | None = None
    code: Floats | None = None


class Judges:
    """What it takes to judge: teachers by size, the features, and the pictures' codes."""

    def __init__(self, assets: Path) -> None:
        from safetensors.torch import load_file

        self._assets = assets
        self._teachers: dict[tuple[int, int], Teacher] = {}
        self.predict = CodePredictor(assets)
        self.features = MobileNetPyramid()
        path = member_path(assets, FEATURES_ASSET, "mobilenetv2.safetensors")
        self.features.load_state_dict(load_file(path))
        self.features.eval()

    def teacher(self, height: int, width: int) -> Teacher:
        """Return the teacher for pictures of a size, compiled at the first call."""
        if (height, width) not in self._teachers:
            self._teachers[height, width] = Teacher(self._assets, height, width)
        return self._teachers[height, width]

    def of_texture(self, kind: str, seed: int) -> Style:
        """Return the style of a picture that we make."""
        picture = texture(kind, seed)
        return Style(PICTURE, f"{kind} {seed}", picture, self.predict(picture))

    @torch.no_grad()
    def grams(self, picture: Floats) -> list[torch.Tensor]:
        """Return the Gram matrices of a picture (H, W, 3) in 0..1."""
        return grams(self.features, torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()))


def styles_of(model: StyleNet, judges: Judges, clip: int) -> list[Style]:
    """Return the styles that the `clip`-th clip is judged in: one by name, one of a picture.

    They go round, so that all are judged in; every second picture is of a kind that was learned,
    in colours that were not, the others are of a kind that was not learned.
    """
    names = model.config.names
    learned = [kind for kind in KINDS if kind not in UNSEEN]
    kind = UNSEEN[0] if clip % 2 else learned[clip // 2 % len(learned)]
    return [Style(NAMED, names[clip % len(names)]), judges.of_texture(kind, 1_000_000 + clip)]


def evaluate_style(model: StyleNet, clips: Iterable[HeldOut], judges: Judges) -> StyleEvaluation:
    """Score the model and every baseline on every clip, in a few styles each.

    About 2 s a clip of 6 frames of 224 x 400 on one core, most of it the teacher's.

    Raises:
        MissingBaselineError: if there is no clip.
    """
    scores: list[StyleScore] = []
    for k, clip in enumerate(clips):
        frames = small_frames(clip.frames)
        motions = [Motion(*pair) for pair in pairwise(frames)]
        footage = [unit(frame) for frame in frames]
        for style in styles_of(model, judges, k):
            scores.extend(_scores(model, clip, style, footage, motions, judges))
    return StyleEvaluation(tuple(scores))


def small_frames(frames: Pixels) -> list[Pixels]:
    """(T, H, W, 3) -> frames whose shorter side is `SIDE` px."""
    height, width = frames.shape[1:3]
    shrink = SIDE / min(height, width)
    size = round(width * shrink), round(height * shrink)
    way = cv2.INTER_AREA if shrink < 1 else cv2.INTER_CUBIC
    return [np.asarray(cv2.resize(frame, size, interpolation=way), np.uint8) for frame in frames]


def painted(
    model: StyleNet, footage: Sequence[Floats], style: Style, judges: Judges
) -> dict[str, list[Floats]]:
    """Return the frames as each method paints them."""
    return {method: frames for method, frames, _ in _painted(model, footage, style, judges)}


def _painted(
    model: StyleNet, footage: Sequence[Floats], style: Style, judges: Judges
) -> Iterator[tuple[str, list[Floats], float]]:
    """Yield each method, its frames and its ms of CPU a frame."""
    started = time.process_time()
    ours = [paint(model, frame, style) for frame in footage]
    yield MODEL, ours, 1e3 * (time.process_time() - started) / len(footage)
    teacher = judges.teacher(*footage[0].shape[:2])
    started = time.process_time()
    taught = [_taught(teacher, frame, style) for frame in footage]
    ms = 1e3 * (time.process_time() - started) / len(footage)
    yield TEACHER, taught, ms
    smooth = [taught[0]]
    for frame in taught[1:]:
        smooth.append(EMA_SHARE * frame + (1 - EMA_SHARE) * smooth[-1])
    yield EMA, smooth, ms
    yield SOURCE, list(footage), 0.0


@torch.inference_mode()
def paint(model: StyleNet, frame: Floats, style: Style) -> Floats:
    """(H, W, 3) in 0..1 -> the same as the model paints it, in this CPU's better arithmetic."""
    code = model.code_of(style.name) if style.code is None else torch.from_numpy(style.code)
    rgb = torch.from_numpy(frame.transpose(2, 0, 1)[None].copy())
    with autocast(cpu_precision()):
        made = model(rgb, code[None])
    pixels: Floats = made[0].permute(1, 2, 0).contiguous().numpy()
    return pixels


def _taught(teacher: Teacher, frame: Floats, style: Style) -> Floats:
    if style.code is None:
        return teacher.named(frame, style.name)
    return teacher.by_code(frame, style.code)


def _scores(
    model: StyleNet,
    clip: HeldOut,
    style: Style,
    footage: list[Floats],
    motions: list[Motion],
    judges: Judges,
) -> Iterator[StyleScore]:
    made = list(_painted(model, footage, style, judges))
    frames = {method: found for method, found, _ in made}
    shown = range(0, len(footage), 4)  # Gram matrices and edges change slowly
    if style.picture is None:
        goals = [judges.grams(frames[TEACHER][k]) for k in shown]
    else:
        goals = [judges.grams(unit(style.picture))] * len(shown)
    still = fmean(_warping(motions, footage)) or 1e-6

    def distance(some: list[Floats]) -> float:
        pairs = zip(shown, goals, strict=True)
        return fmean(float(gram_distance(judges.grams(some[k]), goal)) for k, goal in pairs)

    far = distance(footage) or 1e-6
    for method, found, ms in made:
        yield StyleScore(
            session_id=clip.session_id,
            session_name=clip.session_name,
            clip_id=clip.clip_id,
            camera_id=clip.camera_id,
            kind=style.kind,
            style=style.name,
            method=method,
            frames=len(footage),
            warping=fmean(_warping(motions, found)) / still,
            style_distance=distance(found) / far,
            edges=fmean(edge_ssim(found[k], footage[k]) for k in shown),
            ms_per_frame=ms,
        )


def _warping(motions: list[Motion], frames: Sequence[Floats]) -> list[float]:
    pairs = zip(motions, frames, frames[1:], strict=False)
    return [motion.error(before, after) for motion, before, after in pairs]


def style_picture(model: StyleNet, clips: Sequence[HeldOut], judges: Judges) -> Pixels:
    """Styles x methods of one frame of the first clips: rgb uint8 (H, W, 3), one row a clip.

    Raises:
        ValueError: if there is no clip.
    """
    first = list({clip.session_id: clip for clip in reversed(clips)}.values())[::-1]
    rows = []
    for k, clip in enumerate(first[:SHOWN_STYLES]):
        frame = unit(small_frames(clip.frames[len(clip.frames) // 2][None])[0])
        cells = [frame]
        for style in styles_of(model, judges, k):
            taught = _taught(judges.teacher(*frame.shape[:2]), frame, style)
            if style.picture is not None:
                side = frame.shape[0]
                cells.append(unit(np.asarray(cv2.resize(style.picture, (side, side)), np.uint8)))
            cells += [taught, paint(model, frame, style)]
        row = np.concatenate(cells, axis=1)
        width = round(row.shape[1] * SHOWN_HEIGHT / row.shape[0])
        rows.append(cv2.resize(row, (width, SHOWN_HEIGHT), interpolation=cv2.INTER_AREA))
    if not rows:
        raise ValueError("no clip to show")
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, 6), (0, width - row.shape[1]), (0, 0)), constant_values=1) for row in rows
    ]
    return (np.concatenate(padded).clip(0, 1) * 255).astype(np.uint8)
