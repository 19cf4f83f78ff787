"""Train the style network by its teacher, on pairs of frames; a generator of progress.

Reads an array of windows, writes nothing: yields `Progress` and, last, `TrainedStyle`. The first
frame of a pair is to be painted as the teacher does; the second, which lies a few pixels aside and
is noisier, is to change against the first as the frames themselves do: the teacher's own flicker is
not learned. Of the first not only pixels are learned, whose median is a blur, but slopes and the
Gram matrices of a frozen network's features (Johnson et al. 2016, arXiv:1603.08155).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from models.gram import gram_distance, grams
from models.losses import charbonnier
from models.precision import autocast, cpu_precision
from models.style import StyleConfig, StyleNet
from tasks.style_textures import KINDS, UNSEEN, texture
from tasks.train import Progress, learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from torch import Tensor

    from models.mobilenet import MobileNetPyramid
    from models.precision import Precision
    from tasks.style_presets import StylePreset

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
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: StyleConfig
    losses: list[float]  # of every step
    flicker: list[float]  # its part that is the frame-difference loss
    seconds: float

    def model(self) -> StyleNet:
        """Return the network with these weights, ready to use."""
        model = StyleNet(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


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
) -> Iterator[Progress | TrainedStyle]:
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
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        features.eval().requires_grad_(requires_grad=False)
        yield from _train(windows, codes, teacher, preset, features, precision or cpu_precision())
    finally:
        torch.set_num_threads(before)


def _train(
    windows: Pixels,
    codes: Floats,
    teacher: Painter,
    preset: StylePreset,
    features: MobileNetPyramid,
    precision: Precision,
) -> Iterator[Progress | TrainedStyle]:
    random = np.random.default_rng(preset.seed)
    model = StyleNet(StyleConfig(preset.styles, preset.width, preset.blocks))
    model.init_weights(torch.Generator().manual_seed(preset.seed))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=preset.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=preset.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, preset.steps, preset.warmup_share)
    )
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    losses: list[float] = []
    flicker: list[float] = []
    started = time.monotonic()
    for step in range(1, preset.steps + 1):
        batch = _draw(windows, codes, teacher, preset, random)
        code = torch.stack([_code(model, style) for style in batch.styles])
        with autocast(precision):
            painted = model(torch.cat([batch.first, batch.second]), torch.cat([code, code]))
        ours, after = painted.chunk(2)
        unsteady = batch.flicker(ours, after)
        loss = charbonnier(ours, batch.taught) + preset.consistency * unsteady
        if preset.slopes > 0:
            loss = loss + preset.slopes * _slopes_apart(ours, batch.taught)
        if preset.grams > 0:
            with torch.no_grad():
                goal = grams(features, batch.taught)
            loss = loss + preset.grams * gram_distance(grams(features, ours), goal).mean()
        losses.append(loss.item())
        flicker.append(unsteady.item())
        if not math.isfinite(losses[-1]):
            raise TrainingDivergedError(
                f"The loss became {losses[-1]} at step {step} of {preset.steps}, learning rate "
                f"{preset.learning_rate:g}."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.nn.utils.clip_grad_norm_(model.parameters(), preset.clip_norm)
        optimiser.step()
        schedule.step()
        # Early on the average must forget its random start: 1/10 new at step 1, 1/100 by step 90.
        keep = min(preset.ema, step / (step + 9))
        for name, value in model.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        if step % preset.report_every == 0 or step == preset.steps:
            recent = losses[-((step - 1) % preset.report_every + 1) :]
            yield Progress(step, preset.steps, float(np.mean(recent)), time.monotonic() - started)
    state = {name: value.contiguous() for name, value in average.items()}
    yield TrainedStyle(state, model.config, losses, flicker, time.monotonic() - started)


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
