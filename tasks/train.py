"""Train a super-resolution network on windows of real video; a generator of progress.

Reads an array of true windows, writes nothing: yields `Progress` and, last, `Trained`. Equal
windows, preset, threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from models.losses import video_loss
from models.precision import autocast, cpu_precision
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.degradations import degrade_randomly
from tasks.simulated_references import simulated_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import Tensor, nn

    from models.espcn import Espcn
    from models.fsrcnn import Fsrcnn
    from models.precision import Precision
    from tasks.presets import TrainPreset

    Network: TypeAlias = SuperResolution | Espcn | Fsrcnn


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; `loss` is the mean over the steps since the last report."""

    step: int
    steps: int
    loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: Any  # of the network
    network: type[nn.Module]
    losses: list[float]  # of every step
    seconds: float
    precision: Precision
    threads: int

    def model(self) -> Any:  # noqa: ANN401 - of the class that was trained
        """Return the network with these weights, ready to use."""
        model = self.network(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub


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
) -> Iterator[Progress | Trained]:
    """Learn from true windows (N, T, H, W, 3) uint8; small ones are made on the fly.

    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.
    The network is the preset's; another `model` of its scale learns by the same law, from its
    seed: a peer. One that takes references is shown simulated ones.

    Raises:
        ValueError: if the windows are smaller than the preset's patch or of another type.
        TrainingDivergedError: if the loss stops being a number.
    """
    _check(windows, preset)
    chosen = precision or cpu_precision()
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        net = SuperResolution(config_of(preset)) if model is None else model
        yield from _train(net, windows, preset, threads, chosen)
    finally:
        torch.set_num_threads(threads_before)


def _train(
    model: Network,
    windows: npt.NDArray[np.uint8],
    preset: TrainPreset,
    threads: int,
    precision: Precision,
) -> Iterator[Progress | Trained]:
    rng = np.random.default_rng(preset.seed)
    references = isinstance(model, SuperResolution) and model.config.reference
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
    started = time.monotonic()
    for step in range(1, preset.steps + 1):
        truth = draw_batch(windows, preset, rng)
        small = degrade_randomly(truth, preset.scale, preset.bi_share, rng)
        shown = (small, simulated_references(truth, small, rng)) if references else (small,)
        with autocast(precision):
            ours = model(*shown)
        loss = video_loss(ours, truth, consistency=preset.consistency)
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
        # Early on the average must forget its random start: 1/10 new at step 1, 1/100 by step 90.
        keep = min(preset.ema, step / (step + 9))
        for name, value in model.state_dict().items():
            average[name].lerp_(value, 1 - keep)
        if step % preset.report_every == 0 or step == preset.steps:
            recent = losses[-((step - 1) % preset.report_every + 1) :]
            yield Progress(step, preset.steps, float(np.mean(recent)), time.monotonic() - started)
    state = {name: value.contiguous() for name, value in average.items()}
    seconds = time.monotonic() - started
    yield Trained(state, model.config, type(model), losses, seconds, precision, threads)


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


def learning_rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """Factor of the learning rate at a step from 0: linear warm-up, then a half cosine."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


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
