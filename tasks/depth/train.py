"""Train the depth network on rendered pictures; a generator of progress.

Reads arrays, writes nothing: yields `Progress`, returns `Trained`. Equal pictures, preset,
threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.depth import DepthConfig, DepthNet
from models.depth_losses import depth_loss
from models.precision import autocast, cpu_precision
from tasks.depth.scenes import CELLS, SIDE, render_views
from tasks.training.of_pictures import PictureTraining

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from torch import Tensor

    from models.precision import Precision
    from tasks.depth.presets import DepthPreset
    from tasks.depth.scenes import DepthViews, Renderer
    from tasks.training.of_pictures import Trained
    from tasks.training.schedule import Progress

# Colours, exposure and sharpness of rendered pictures are no camera's: they are drawn at random.
_GREY, _SWAPPED, _BLURRED = 0.1, 0.3, 0.3  # shares of pictures
_NOISE = 0.04  # of full scale, at the most
_SCENES_AT_A_TIME = 20


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
) -> Generator[Progress, None, Trained]:
    """Learn from pictures and their inverse depth.

    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.

    Raises:
        ValueError: if there is no picture.
        TrainingDivergedError: if the loss stops being a number.
    """
    if not len(views.rgb):
        raise ValueError("there is no picture to learn from")
    rng = np.random.default_rng(preset.seed)
    noise = torch.Generator().manual_seed(preset.seed)
    net = DepthNet(DepthConfig(preset.channels, preset.blocks, SIDE))
    training = PictureTraining(net, preset, precision or cpu_precision())

    def loss_of(_: int) -> Tensor:
        rgb, truth = draw_batch(views, preset.batch, rng, noise)
        with autocast(training.precision):
            answer = training.net(rgb)
        return depth_loss(
            answer,
            truth,
            gradient=preset.gradient,
            confidence=preset.confidence,
            anchor=preset.anchor,
        )

    return (yield from training.run(loss_of, threads))


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
