"""Train the depth network on rendered pictures; a generator of progress.

Reads arrays, writes nothing: yields `Progress` and, last, `TrainedDepth`. Equal pictures, preset,
threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from infra.errors import TrainingDivergedError
from models.depth import DepthConfig, DepthNet
from models.depth_losses import depth_loss
from models.precision import autocast, cpu_precision
from tasks.depth_scenes import CELLS, SIDE, render_views
from tasks.train import Progress, learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from models.precision import Precision
    from tasks.depth_presets import DepthPreset
    from tasks.depth_scenes import DepthViews, Renderer

# Colours, exposure and sharpness of rendered pictures are no camera's: they are drawn at random.
_GREY, _SWAPPED, _BLURRED = 0.1, 0.3, 0.3  # shares of pictures
_NOISE = 0.04  # of full scale, at the most
_SCENES_AT_A_TIME = 20


@dataclass(frozen=True, slots=True)
class TrainedDepth:
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: DepthConfig
    losses: list[float]  # of every step
    seconds: float
    precision: Precision
    threads: int

    def model(self) -> DepthNet:
        """Return the network with these weights, ready to use."""
        model = DepthNet(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def render_training(preset: DepthPreset) -> Iterator[DepthViews]:
    """Render what a preset learns from, some scenes at a time: from number 0 on, or as the seed.

    Raises:
        RendererMissingError: scenes of pybullet are wanted and it is not installed.
    """
    first = preset.seed * preset.scenes
    wanted: tuple[tuple[Renderer, int], ...] = (
        ("world", preset.world_scenes),
        ("engine", preset.engine_scenes),
    )
    for renderer, count in wanted:
        for at in range(first, first + count, _SCENES_AT_A_TIME):
            numbers = range(at, min(at + _SCENES_AT_A_TIME, first + count))
            yield render_views(renderer, numbers, preset.views)


def train_depth(
    views: DepthViews,
    preset: DepthPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
) -> Iterator[Progress | TrainedDepth]:
    """Learn from pictures and their inverse depth.

    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.

    Raises:
        ValueError: if there is no picture.
        TrainingDivergedError: if the loss stops being a number.
    """
    if not len(views.rgb):
        raise ValueError("there is no picture to learn from")
    chosen = precision or cpu_precision()
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield from _train(views, preset, threads, chosen)
    finally:
        torch.set_num_threads(threads_before)


def _train(
    views: DepthViews, preset: DepthPreset, threads: int, precision: Precision
) -> Iterator[Progress | TrainedDepth]:
    rng = np.random.default_rng(preset.seed)
    noise = torch.Generator().manual_seed(preset.seed)
    model = DepthNet(DepthConfig(preset.channels, preset.blocks, SIDE))
    model.init_weights(torch.Generator().manual_seed(preset.seed))
    model = model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub
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
    started = time.monotonic()
    for step in range(1, preset.steps + 1):
        rgb, truth = draw_batch(views, preset.batch, rng, noise)
        with autocast(precision):
            answer = model(rgb)
        loss = depth_loss(
            answer,
            truth,
            gradient=preset.gradient,
            confidence=preset.confidence,
            anchor=preset.anchor,
        )
        losses.append(loss.item())
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
        _average(average, model.state_dict(), min(preset.ema, step / (step + 9)))
        if step % preset.report_every == 0 or step == preset.steps:
            recent = losses[-((step - 1) % preset.report_every + 1) :]
            yield Progress(step, preset.steps, float(np.mean(recent)), time.monotonic() - started)
    state = {name: value.contiguous() for name, value in average.items()}
    seconds = time.monotonic() - started
    yield TrainedDepth(state, model.config, losses, seconds, precision, threads)


def _average(average: dict[str, Tensor], now: dict[str, Tensor], keep: float) -> None:
    """Move the average towards the weights and the norms' statistics of now; counts are copied."""
    for name, value in now.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - keep)
        else:
            average[name].copy_(value)


def draw_batch(
    views: DepthViews, size: int, rng: np.random.Generator, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw pictures (B, 3, 112, 112), 0..1, and their inverse depth (B, 1, 28, 28).

    Half are mirrored; exposure, colour, sharpness and noise are drawn anew.
    """
    chosen = rng.integers(0, len(views.rgb), size)
    mirrored = rng.random(size) < 0.5
    rgb = np.stack(
        [
            views.rgb[k, :, ::-1] if m else views.rgb[k]
            for k, m in zip(chosen, mirrored, strict=True)
        ]
    )
    truth = np.stack(
        [
            views.inverse[k, :, ::-1] if m else views.inverse[k]
            for k, m in zip(chosen, mirrored, strict=True)
        ]
    )
    pictures = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    pictures = _as_a_camera(pictures, rng, noise).contiguous(memory_format=torch.channels_last)
    return pictures, torch.from_numpy(truth).view(size, 1, CELLS, CELLS)


def _as_a_camera(rgb: Tensor, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
    size = len(rgb)

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (size, *shape)).astype(np.float32))

    def some(share: float) -> Tensor:
        return torch.from_numpy(rng.random((size, 1, 1, 1)) < share)

    order = torch.from_numpy(np.stack([rng.permutation(3) for _ in range(size)]))
    swapped = rgb.gather(1, order.view(size, 3, 1, 1).expand_as(rgb))
    rgb = torch.where(some(_SWAPPED), swapped, rgb)
    rgb = torch.where(some(_GREY), rgb.mean(dim=1, keepdim=True).expand_as(rgb), rgb)
    blurred = functional.avg_pool2d(rgb, 3, stride=1, padding=1, count_include_pad=False)
    rgb = torch.where(some(_BLURRED), blurred, rgb)
    rgb = rgb.clamp(min=1e-4) ** drawn(0.6, 1.6, 1, 1, 1)
    rgb = rgb * drawn(0.6, 1.4, 1, 1, 1) * drawn(0.85, 1.15, 3, 1, 1) + drawn(-0.1, 0.1, 1, 1, 1)
    grain = torch.randn(rgb.shape, generator=noise) * drawn(0, _NOISE, 1, 1, 1)
    return (rgb + grain).clamp(0, 1)
