"""Train the style network by its teacher, on pairs of frames; a generator of progress.

Reads an array of windows, writes nothing: yields `Progress`, returns `TrainedStyle`. The first
frame of a pair is to be painted as the teacher does; the second, which lies a few pixels aside and
is noisier, is to change against the first as the frames themselves do: the teacher's own flicker is
not learned. Of the first not only pixels are learned, whose median is a blur, but slopes and the
Gram matrices of a frozen network's features (Johnson et al. 2016, arXiv:1603.08155).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from models.gram import gram_distance, grams
from models.losses import charbonnier
from models.precision import autocast, cpu_precision
from models.style import StyleConfig, StyleNet
from tasks.style.textures import KINDS, UNSEEN, texture
from tasks.training.of_pictures import PictureTraining

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy.typing as npt
    from torch import Tensor

    from models.mobilenet import MobileNetPyramid
    from models.precision import Precision
    from tasks.style.presets import StylePreset
    from tasks.training.of_pictures import Trained
    from tasks.training.schedule import Progress

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

# Of 1: where the frames themselves change by this much, painting may change by more than they do
# (an edge of another colour goes by), and weighs 1/e.
STILL = 0.1


class Painter(Protocol):
    """What paints crops to be learned from (see `style_teacher.Teacher`)."""

    def named(self, picture: Floats, name: str) -> Floats:
        """Paint in a style by name."""

    def by_code(self, picture: Floats, code: Floats) -> Floats:
        """Paint in the style of a code."""


@dataclass(frozen=True, slots=True)
class TrainedStyle:
    """What was trained, and of the loss of every step the part that is the frame difference."""

    net: Trained
    flicker: list[float]


def training_codes(
    windows: Pixels, predict: Callable[[Pixels], Floats], preset: StylePreset
) -> Floats:
    """Return the codes (N, 100) of textures that we make and of some of the frames."""
    kinds = [kind for kind in KINDS if kind not in UNSEEN]
    pictures = [texture(kind, seed) for kind in kinds for seed in range(preset.textures)]
    random = np.random.default_rng(preset.seed)
    chosen = random.permutation(len(windows))[: preset.frames]
    pictures += [windows[k, 0] for k in chosen]
    return np.stack([predict(picture) for picture in pictures])


def train_style(
    windows: Pixels,
    codes: Floats,
    teacher: Painter,
    preset: StylePreset,
    features: MobileNetPyramid,
    *,
    threads: int = 1,
    precision: Precision | None = None,
) -> Generator[Progress, None, TrainedStyle]:
    """Learn from windows (N, 2, S, S, 3) uint8, S at least `crop + shift`, and codes (M, 100).

    `features` are frozen: Gram matrices are of them.
    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.

    Raises:
        ValueError: if the windows are of another shape or type.
        TrainingDivergedError: if the loss stops being a number.
    """
    side = preset.crop + preset.shift
    if windows.ndim != 5 or windows.shape[1] < 2 or min(windows.shape[2:4]) < side:
        raise ValueError(f"windows must be (N, 2, >= {side}, >= {side}, 3), got {windows.shape}")
    random = np.random.default_rng(preset.seed)
    net = StyleNet(StyleConfig(preset.styles, preset.width, preset.blocks))
    training = PictureTraining(net, preset, precision or cpu_precision())
    features.eval().requires_grad_(requires_grad=False)
    flicker: list[float] = []

    def loss_of(_: int) -> Tensor:
        batch = _draw(windows, codes, teacher, preset, random)
        code = torch.stack([_code(training.net, style) for style in batch.styles])
        with autocast(training.precision):
            painted = training.net(torch.cat([batch.first, batch.second]), torch.cat([code, code]))
        ours, after = painted.chunk(2)
        unsteady = batch.flicker(ours, after)
        flicker.append(unsteady.item())
        loss = charbonnier(ours, batch.taught) + preset.consistency * unsteady
        if preset.slopes > 0:
            loss = loss + preset.slopes * _slopes_apart(ours, batch.taught)
        if preset.grams > 0:
            with torch.no_grad():
                goal = grams(features, batch.taught)
            loss = loss + preset.grams * gram_distance(grams(features, ours), goal).mean()
        return loss

    trained = yield from training.run(loss_of, threads)
    return TrainedStyle(trained, flicker)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Pairs of crops (B, 3, P, P), what the teacher makes of the first, and each pair's style."""

    first: Tensor
    clean: Tensor  # the second crop without its noise
    second: Tensor
    taught: Tensor
    styles: tuple[str | Floats, ...]
    shifts: tuple[tuple[int, int], ...]  # px by which the second lies below and right of the first

    def flicker(self, ours: Tensor, after: Tensor) -> Tensor:
        """Frame-difference loss where both crops of a pair show the same place."""
        lost = []
        for k, (down, right) in enumerate(self.shifts):
            painted = _overlap(after[k], -down, -right) - _overlap(ours[k], down, right)
            seen = _overlap(self.clean[k], -down, -right) - _overlap(self.first[k], down, right)
            weight = torch.exp(-seen.abs().mean(dim=0, keepdim=True) / STILL)
            lost.append(charbonnier(painted, seen, weight))
        return torch.stack(lost).mean()


def _slopes_apart(ours: Tensor, taught: Tensor) -> Tensor:
    """Charbonnier loss of the differences between neighbours, down and to the right."""
    return sum(
        (charbonnier(ours.diff(dim=dim), taught.diff(dim=dim)) for dim in (2, 3)),
        start=ours.new_zeros(()),
    )


def _overlap(picture: Tensor, down: int, right: int) -> Tensor:
    """Return the part of (C, H, W) that remains when `down` rows and `right` columns are cut.

    They are cut at the top and left, those below zero at the bottom and right.
    """
    height, width = picture.shape[1:]
    rows = slice(max(down, 0), height + min(down, 0))
    return picture[:, rows, max(right, 0) : width + min(right, 0)]


def _draw(
    windows: Pixels,
    codes: Floats,
    teacher: Painter,
    preset: StylePreset,
    random: np.random.Generator,
) -> _Batch:
    size, count = preset.crop, preset.batch
    spare = [side - size for side in windows.shape[2:4]]
    first, second, noisy, taught, styles, shifts = [], [], [], [], [], []
    for _ in range(count):
        window = windows[int(random.integers(len(windows)))].astype(np.float32) / 255
        pair = window[:: -1 if random.random() < 0.5 else 1]
        pair = pair[:, :, :: -1 if random.random() < 0.5 else 1]
        at = [int(random.integers(n + 1)) for n in spare]
        far = [
            int(random.integers(max(0, y - preset.shift), min(n, y + preset.shift) + 1))
            for y, n in zip(at, spare, strict=True)
        ]
        here, there = (
            np.ascontiguousarray(frame[y : y + size, x : x + size])
            for frame, (y, x) in zip((pair[0], pair[-1]), (at, far), strict=True)
        )
        noise = random.uniform(0, preset.noise) * random.normal(size=there.shape)
        style: str | Floats
        if random.random() < preset.named_share:
            style = preset.styles[int(random.integers(len(preset.styles)))]
            taught.append(teacher.named(here, style))
        else:
            style = _mixed(codes, random)
            taught.append(teacher.by_code(here, style))
        first.append(here)
        second.append(there)
        noisy.append((there + noise).astype(np.float32).clip(0, 1))
        styles.append(style)
        shifts.append((far[0] - at[0], far[1] - at[1]))
    one, clean, other, goal = (
        torch.from_numpy(np.stack(some)).permute(0, 3, 1, 2)
        for some in (first, second, noisy, taught)
    )
    return _Batch(one, clean, other, goal, tuple(styles), tuple(shifts))


def _mixed(codes: Floats, random: np.random.Generator) -> Floats:
    """Return a code, or in half of the cases one between two: a user's picture is neither."""
    one, other = codes[random.integers(len(codes), size=2)]
    share = random.random() if random.random() < 0.5 else 1.0
    return np.asarray(share * one + (1 - share) * other, np.float32)


def _code(model: StyleNet, style: str | Floats) -> Tensor:
    return model.code_of(style) if isinstance(style, str) else torch.from_numpy(style)
