"""Train a super-resolution network on windows of real video; a generator of progress.

Reads an array of true windows, writes nothing: yields `Progress`, returns `Trained`. Equal
windows, preset, threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from models.losses import video_loss
from models.precision import autocast, cpu_precision
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.superresolution.degradations import degrade_randomly
from tasks.superresolution.simulated_references import simulated_references
from tasks.training.of_pictures import PictureTraining

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt
    from torch import Tensor

    from models.espcn import Espcn
    from models.fsrcnn import Fsrcnn
    from models.precision import Precision
    from tasks.superresolution.presets import TrainPreset
    from tasks.training.of_pictures import Trained
    from tasks.training.schedule import Progress

    Network: TypeAlias = SuperResolution | Espcn | Fsrcnn


def config_of(preset: TrainPreset) -> SuperResolutionConfig:
    """Return the network's sizes that a preset asks for."""
    return SuperResolutionConfig(
        preset.scale, preset.width, preset.hidden, preset.layers, preset.reference
    )


def train_superresolution(
    windows: npt.NDArray[np.uint8],
    preset: TrainPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
    model: Network | None = None,
) -> Generator[Progress, None, Trained]:
    """Learn from true windows (N, T, H, W, 3) uint8; small ones are made on the fly.

    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.
    The network is the preset's; another `model` of its scale learns by the same law, from its
    seed: a peer. One that takes references is shown simulated ones.

    Raises:
        ValueError: if the windows are smaller than the preset's patch or of another type.
        TrainingDivergedError: if the loss stops being a number.
    """
    _check(windows, preset)
    net = SuperResolution(config_of(preset)) if model is None else model
    references = isinstance(net, SuperResolution) and net.config.reference
    rng = np.random.default_rng(preset.seed)
    training = PictureTraining(net, preset, precision or cpu_precision())

    def loss_of(_: int) -> Tensor:
        truth = draw_batch(windows, preset, rng)
        small = degrade_randomly(truth, preset.scale, preset.bi_share, rng)
        shown = (small, simulated_references(truth, small, rng)) if references else (small,)
        with autocast(training.precision):
            ours = training.net(*shown)
        return video_loss(ours, truth, consistency=preset.consistency)

    return (yield from training.run(loss_of, threads))


def draw_batch(
    windows: npt.NDArray[np.uint8], preset: TrainPreset, rng: np.random.Generator
) -> Tensor:
    """Draw random pieces of random windows, mirrored, turned and reversed: (B, T, 3, P, P), 0..1.

    All eight orientations and both directions of time are equally likely.
    """
    count, length, height, width, _ = windows.shape
    pieces = []
    for _ in range(preset.batch):
        limits = (count - 1, length - preset.frames, height - preset.patch, width - preset.patch)
        n, t, y, x = (int(rng.integers(limit + 1)) for limit in limits)
        rows, columns = slice(y, y + preset.patch), slice(x, x + preset.patch)
        piece = windows[n, t : t + preset.frames, rows, columns]
        mirror_y, mirror_x, turn, reverse = rng.random(4) < 0.5
        piece = piece[:: -1 if reverse else 1, :: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        pieces.append(piece.transpose(0, 2, 1, 3) if turn else piece)
    batch = torch.from_numpy(np.stack(pieces))
    return batch.permute(0, 1, 4, 2, 3).float().contiguous() / 255


def _check(windows: npt.NDArray[np.uint8], preset: TrainPreset) -> None:
    if windows.ndim != 5 or windows.shape[-1] != 3 or windows.dtype != np.uint8:
        raise ValueError(
            f"windows must be (N, T, H, W, 3) uint8, got {windows.shape} {windows.dtype}"
        )
    count, length, height, width, _ = windows.shape
    if count < 1 or length < preset.frames or min(height, width) < preset.patch:
        raise ValueError(
            f"preset {preset.name!r} needs windows of {preset.frames} frames and {preset.patch} px,"
            f" got {windows.shape}"
        )
