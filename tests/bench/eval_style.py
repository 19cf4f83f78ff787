"""How steady and how near its styles a network paints: `eval_style.py --home HOME --model FOLDER`.

Beside it stand its teacher frame by frame, the teacher's mean over frames, the footage, and with
`--without FOLDER` a network that was trained without the frame-difference loss; with `--strengths`
that one mixed with the footage too, as whoever paints less is steadier anyway. Reads the held-out
clips of a home with footage, and the assets `style-teacher` and `mobilenetv2` (`--assets`); prints
tables, and with `--sheet FILE.png` draws styles and frames.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from plainly import plainly
from torch import Tensor, nn

from catalog.query import rows
from catalog.store import Catalog
from infra import registry
from infra.errors import NoChampionError
from infra.settings import load_settings
from models import weights
from models.precision import cpu_precision
from models.style import StyleNet
from tasks.recordings.sources import clip_source
from tasks.sessions.splits import HELDOUT
from tasks.style.evaluate import (
    JUDGED_FRAMES,
    SIDE,
    Judges,
    evaluate_style,
    paint,
    small_frames,
    style_picture,
)
from tasks.style.evaluate import Style as Painted
from tasks.style.evaluation import KINDS, MEASURES, MODEL, NAMED
from tasks.style.presets import MODEL_NAME
from tasks.windows.pixel_windows import heldout_clips

if TYPE_CHECKING:
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.style.evaluation import StyleEvaluation
    from tasks.superresolution.evaluate import HeldOut

LINE = "{:<36} {:<8} {:<20} {:>8} {:>7} {:>7}"


def main() -> None:
    """Judge, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True, help="with footage")
    parser.add_argument("--model", type=Path, help="a folder; else the champion of the home")
    parser.add_argument("--without", type=Path, help="one trained with consistency = 0")
    parser.add_argument("--strengths", type=float, nargs="*", default=(), help="of the mixes, .7")
    parser.add_argument("--assets", type=Path, help="those of the home, if not given")
    parser.add_argument("--clips", type=int, default=2, help="of each session")
    parser.add_argument("--sheet", type=Path, help="a PNG to draw")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(given.home)
    judges = Judges(given.assets or settings.assets)
    found = rows(Catalog(settings.catalog).snapshot(), "clip_sources", {})
    held = [(clip_source(r), r["width"], r["height"]) for r in found if r["split"] == HELDOUT]
    clips = list(heldout_clips(held, JUDGED_FRAMES, given.clips))
    folder = given.model
    if folder is None:
        folder = registry.download(settings, _version(settings))
    model = _network(folder)
    if given.sheet:
        _draw(given.sheet, model, clips, judges)
    _say(evaluate_style(model, clips, judges), "")
    if given.without:
        without = _network(given.without)
        _say(evaluate_style(without, clips, judges), " without the loss")
        for strength in given.strengths:
            mixed = evaluate_style(Mixed(without, strength), clips, judges)
            _say(mixed, f" without, {strength:g} of it", means=True)
    _speed(model)


def _version(settings: Settings) -> ModelVersion:
    """Return the champion, or the newest version where its gates refused it."""
    try:
        return registry.champion(settings, MODEL_NAME)
    except NoChampionError:
        versions = registry.versions(settings, MODEL_NAME)
        if not versions:
            raise
        print(f"{versions[-1].uri} is not promoted: it is the newest there is")
        return versions[-1]


def _network(folder: Path) -> StyleNet:
    model = weights.load(folder)
    if not isinstance(model, StyleNet):
        raise SystemExit(f"{folder} holds a {type(model).__name__}")
    return model


class Mixed(nn.Module):
    """A network whose pictures are mixed with the footage."""

    def __init__(self, model: StyleNet, strength: float) -> None:
        super().__init__()
        self.model, self.strength = model, strength
        self.config, self.code_of = model.config, model.code_of

    def forward(self, rgb: Tensor, code: Tensor) -> Tensor:
        """Return the mix, (B, 3, H, W)."""
        return torch.lerp(rgb, self.model(rgb, code).to(rgb.dtype), self.strength)


def _say(found: StyleEvaluation, what: str, *, means: bool = False) -> None:
    print(LINE.format("session", "styles", "method", *MEASURES))
    for row in found.table():
        if means and (row["method"] != MODEL or "mean" not in str(row["session"])):
            continue
        method = f"{row['method']}{what if row['method'] == MODEL else ''}"
        values = (f"{row[measure]:.3f}" for measure in MEASURES)
        print(LINE.format(str(row["session"])[:36], str(row["styles"]), method, *values))
    if means:
        return
    for name, value in found.metrics().items():
        if name.endswith("ms_per_frame"):
            print(f"{name}: {value:.1f} ms of CPU")
    assert all(found.mean(MODEL, "style", kind) >= 0 for kind in KINDS)
    print("\n".join(found.remarks()))


def _speed(model: StyleNet, turns: int = 20) -> None:
    """Print what a square frame costs on one core."""
    frame = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)
    style = Painted(NAMED, model.config.names[0])
    paint(model, frame, style)
    spent = []
    for _ in range(turns):
        started = time.process_time()
        paint(model, frame, style)
        spent.append(1e3 * (time.process_time() - started))
    print(f"{SIDE} x {SIDE} px, {cpu_precision()}, one core: {np.median(spent):.1f} ms")


def _draw(path: Path, model: StyleNet, clips: list[HeldOut], judges: Judges) -> None:
    """Draw the teacher above the model in every style by name, then pictures as styles."""
    parts = []
    for clip in list({clip.session_id: clip for clip in clips}.values())[:2]:
        frame = small_frames(clip.frames[:1])[0].astype(np.float32) / 255
        teacher = judges.teacher(*frame.shape[:2])
        above = [frame, *(teacher.named(frame, name) for name in model.config.names)]
        below = [frame, *(paint(model, frame, Painted(NAMED, name)) for name in model.config.names)]
        parts.append(np.concatenate([np.concatenate(above, 1), np.concatenate(below, 1)]))
    parts.append(style_picture(model, clips, judges).astype(np.float32) / 255)
    width = max(part.shape[1] for part in parts)
    sheet = np.concatenate(
        [np.pad(p, ((0, 6), (0, width - p.shape[1]), (0, 0)), constant_values=1) for p in parts]
    )
    cv2.imwrite(str(path), (sheet[..., ::-1].clip(0, 1) * 255).astype(np.uint8))
    print(f"drawn: {path}")


if __name__ == "__main__":
    plainly(main)
