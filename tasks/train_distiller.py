"""Train the distiller on windows of features; a generator of progress.

Reads the catalog's features, never video; writes checkpoints where it is told to. Yields
`Progress` and, last, `TrainedDistiller`. Equal windows, preset, threads and CPU features give
equal weights, bit for bit, in one go or resumed.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from infra.heap import give_back
from models.distiller import Distiller
from models.distiller_config import PRESETS as NETWORKS
from models.precision import precision_of
from models.view_prediction import ViewPredictor
from tasks.checkpoints import Standing, load_chance, load_checkpoint, save_checkpoint
from tasks.distiller_steps import step_losses
from tasks.train import Progress, learning_rate_factor
from tasks.window_stream import WindowStream
from tasks.windows import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from models.distiller_config import DistillerConfig
    from models.precision import Precision
    from tasks.distiller_presets import DistillerPreset
    from tasks.window_sets import WindowSource
    from tasks.windows import WindowReader

# Features that are kept in memory between epochs, in all workers together.
KEPT_BYTES = 1 << 29
# Steps after which freed memory goes back to the system: 5 % of preset laptop's time.
TIDY_EVERY = 2


class Alone:
    """The one process that trains; `parallel_training.py` has its peer for several."""

    rank, size = 0, 1

    def averaged(self, numbers: Tensor) -> Tensor:
        """Return the mean over all workers of a vector of each."""
        return numbers


@dataclass(frozen=True, slots=True)
class TrainedDistiller:
    """The averaged weights and how they came about. Picklable, contiguous, on the CPU."""

    state: dict[str, Tensor]
    config: DistillerConfig
    curves: dict[str, list[float]]  # of every step, by term; "total" is what was minimised
    seconds: float
    waited_share: float  # of the time since it began or was resumed, for windows
    precision: Precision
    threads: int

    def model(self) -> Distiller:
        """Return the network with these weights, ready to use."""
        model = Distiller(self.config)
        model.load_state_dict(self.state)
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def spec_of(preset: DistillerPreset, tensors: tuple[str, ...] | None = None) -> WindowSpec:
    """Return what windows a preset learns from: of rigs, those before the last of their time."""
    spec = WindowSpec(
        steps=preset.window_steps,
        stride=preset.stride,
        cameras=preset.cameras,
        part="earlier",
        by_camera=True,
    )
    return spec if tensors is None else replace(spec, tensors=tensors)


def train_distiller(
    source: WindowSource,
    split: str,
    preset: DistillerPreset,
    *,
    threads: int = 1,
    precision: Precision | None = None,
    folder: Path | None = None,
    key: str = "",
    config: DistillerConfig | None = None,
    spec: WindowSpec | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    group: Alone | None = None,
) -> Iterator[Progress | TrainedDistiller]:
    """Learn from the windows of a split's sessions.

    With a `folder` it writes a checkpoint every so often, and goes on from the one there if that
    is of `key`. `config` and `spec` replace what the preset names. With `seconds` it ends after so
    much time of `clock`, the learning rate following it, instead of after the preset's steps.
    Yields every `report_every` steps and at the end. Sets torch's thread count while it runs.

    Raises:
        NothingToLearnError: there are no features.
        TrainingDivergedError: the loss stopped being a number; the last checkpoint stays.
    """
    group = group or Alone()
    reader = source.reader(
        spec or spec_of(preset),
        split,
        batch=preset.batch // group.size,
        seed=preset.seed,
        worker=group.rank,
        workers=group.size,
        keep_bytes=KEPT_BYTES // group.size,
    )
    chosen = precision or precision_of(bf16=preset.bf16)
    network = config or replace(NETWORKS[preset.network], fusion=preset.fusion)
    run = _Run(preset, network, chosen, group, source.step_ns)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield from run.train(reader, folder, key, seconds, clock)
    finally:
        torch.set_num_threads(threads_before)


class _Run:
    """One training run, in one of the processes that share it."""

    def __init__(
        self,
        preset: DistillerPreset,
        config: DistillerConfig,
        precision: Precision,
        group: Alone,
        step_ns: int,
    ) -> None:
        self._preset, self._precision, self._group = preset, precision, group
        self._step_ns = step_ns
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(preset.seed)
        self.net = Distiller(config).to(self._device).train()
        self.head = ViewPredictor(config.width, config.heads).to(self._device)
        self._parameters = [*self.net.parameters(), *self.head.parameters()]
        optimiser = torch.optim.AdamW(
            self._parameters,
            lr=preset.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=preset.weight_decay,
        )
        # Weights are drawn alike in all workers, and what is done to windows is not.
        torch.manual_seed(preset.seed + group.rank)
        average = {name: x.detach().clone() for name, x in self.net.state_dict().items()}
        rng = np.random.default_rng([preset.seed, group.rank])
        modules = {"model": self.net, "head": self.head}
        self.at = Standing(modules, optimiser, average, rng, {})

    def train(
        self,
        reader: WindowReader,
        folder: Path | None,
        key: str,
        limit_s: float | None,
        clock: Callable[[], float],
    ) -> Iterator[Progress | TrainedDistiller]:
        preset, at = self._preset, self.at
        if folder is not None:
            self._resume(folder, key)
        stream = WindowStream(reader, at.position)
        began, spent, since = time.monotonic(), at.seconds, clock()
        saved = began
        try:
            while not self._over(limit_s):
                windows, at.position = stream.next()
                due = time.monotonic() - saved > preset.checkpoint_every_s
                due = self._step(windows, limit_s, due=due)
                if at.step % TIDY_EVERY == 0:
                    give_back()
                at.seconds = spent + clock() - since
                if due and folder is not None:
                    save_checkpoint(_file(folder, self._group.rank), at, key)
                if due:
                    saved = time.monotonic()
                if at.step % preset.report_every == 0:
                    yield self._progress()
        finally:
            stream.close()
        if at.step % preset.report_every:
            yield self._progress()
        lasted = time.monotonic() - began
        yield self._trained(stream.waited / lasted if lasted > 0 else 0.0)

    def _resume(self, folder: Path, key: str) -> None:
        rank = self._group.rank
        if load_checkpoint(_file(folder, 0), self.at, key, own=rank == 0) and rank:
            load_chance(_file(folder, rank), self.at, key)

    def _over(self, limit_s: float | None) -> bool:
        return self.at.seconds >= limit_s if limit_s else self.at.step >= self._preset.steps

    def _step(self, windows: dict[str, Tensor], limit_s: float | None, *, due: bool) -> bool:
        """Learn from one batch; return whether to write a checkpoint, as the first worker says."""
        preset, at = self._preset, self.at
        share = at.seconds / limit_s if limit_s else at.step / preset.steps
        for group in at.optimiser.param_groups:
            factor = learning_rate_factor(int(share * 10_000), 10_000, preset.warmup_share)
            group["lr"] = preset.learning_rate * factor
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == "bf16"):
            terms = step_losses(
                self.net, self.head, windows, preset, at.rng, self._step_ns, self._device
            )
        at.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()  # type: ignore[no-untyped-call]  # torch's own
        values = torch.stack([x.detach().float().cpu() for x in terms.values()])
        values, due = self._share(values, due=due)
        at.step += 1
        for name, value in zip(terms, values.tolist(), strict=True):
            at.curves.setdefault(name, []).append(value)
        if not math.isfinite(at.curves["total"][-1]):
            raise TrainingDivergedError(
                f"The loss became {at.curves['total'][-1]} at step {at.step} of {preset.steps}, "
                f"learning rate {preset.learning_rate:g}. The last checkpoint before it is kept."
            )
        torch.nn.utils.clip_grad_norm_(self._parameters, preset.clip_norm)
        at.optimiser.step()
        keep = min(preset.ema, at.step / (at.step + 9))
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                at.average[name].lerp_(value, 1 - keep)
            else:
                at.average[name].copy_(value)
        return due

    def _share(self, values: Tensor, *, due: bool) -> tuple[Tensor, bool]:
        """Average gradients and losses over all workers, in one message."""
        if self._group.size == 1:
            return values, due
        # The first worker's clock decides for all when a checkpoint is written.
        flag = torch.tensor([float(due and self._group.rank == 0)])
        parts = [x.grad if x.grad is not None else torch.zeros_like(x) for x in self._parameters]
        flat = torch.cat([*(part.detach().float().flatten().cpu() for part in parts), values, flag])
        flat = self._group.averaged(flat)
        sizes = [part.numel() for part in parts]
        *gradients, values, flag = torch.split(flat, [*sizes, len(values), 1])
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter).to(parameter.device)
        return values, bool(flag > 0)

    def _progress(self) -> Progress:
        at, every = self.at, self._preset.report_every
        recent = at.curves["total"][-((at.step - 1) % every + 1) :]
        return Progress(at.step, self._preset.steps, float(np.mean(recent)), at.seconds)

    def _trained(self, waited_share: float) -> TrainedDistiller:
        config = self.net.config
        shipped = Distiller(config)
        shipped.load_state_dict(self.at.average)
        shipped.codec.tabulate()
        state = {name: x.detach().cpu().contiguous() for name, x in shipped.state_dict().items()}
        return TrainedDistiller(
            state,
            config,
            dict(self.at.curves),
            self.at.seconds,
            waited_share,
            self._precision,
            torch.get_num_threads(),
        )


def _file(folder: Path, rank: int) -> Path:
    return folder / f"checkpoint-{rank}.safetensors"
