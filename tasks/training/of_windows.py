"""The loop that models of windows are trained by: read, learn, average, checkpoint, report.

Reads windows through a `WindowReader`; writes checkpoints where it is told to. What is learned is
the subclass's: it makes the networks and says what a batch costs. Equal windows, schedule, threads
and CPU features give equal weights, bit for bit, in one go or resumed.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from infra.heap import give_back
from tasks.training.checkpoints import Standing, load_chance, load_checkpoint, save_checkpoint
from tasks.training.schedule import Progress, Schedule, learning_rate_factor
from tasks.windows.stream import WindowStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from torch import Tensor, nn

    from models.precision import Precision
    from tasks.windows.reader import WindowReader

# Features that are kept in memory between epochs, in all workers together.
KEPT_BYTES = 1 << 29
# Steps after which freed memory goes back to the system: 5 % of preset laptop's time.
TIDY_EVERY = 2


class Checkpointed(Schedule, Protocol):
    """What this loop asks of a preset."""

    @property
    def checkpoint_every_s(self) -> float:
        """Seconds between checkpoints."""


class Alone:
    """The one process that trains; `parallel_training.py` has its peer for several."""

    rank, size = 0, 1

    def averaged(self, numbers: Tensor) -> Tensor:
        """Return the mean over all workers of a vector of each."""
        return numbers


class WindowTraining(ABC):
    """One training run, in one of the processes that share it.

    A subclass seeds torch, makes its networks, calls this and says in `losses` what to minimise.
    `net` is what ships, averaged over steps; `head` helps in training.
    """

    def __init__(
        self,
        net: nn.Module,
        head: nn.Module,
        schedule: Checkpointed,
        precision: Precision,
        group: Alone,
    ) -> None:
        self.schedule, self.precision, self.group = schedule, precision, group
        self.device = device_here()
        self._net = net
        self._parameters = [*net.parameters(), *head.parameters()]
        optimiser = torch.optim.AdamW(
            self._parameters,
            lr=schedule.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=schedule.weight_decay,
        )
        # Weights are drawn alike in all workers, and what is done to windows is not.
        torch.manual_seed(schedule.seed + group.rank)
        average = {name: x.detach().clone() for name, x in net.state_dict().items()}
        rng = np.random.default_rng([schedule.seed, group.rank])
        self.at = Standing({"model": net, "head": head}, optimiser, average, rng, {})

    @abstractmethod
    def losses(self, windows: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return every term, unweighted, and their `total`, of a batch of windows."""

    def train(
        self,
        reader: WindowReader,
        folder: Path | None,
        key: str,
        limit_s: float | None,
        clock: Callable[[], float],
    ) -> Generator[Progress, None, float]:
        """Yield progress; return the share of the time since it began that windows were waited for.

        With a `folder` it goes on from the checkpoint of `key` there. With `limit_s` it ends after
        so many seconds of `clock`, the learning rate following it, instead of after all steps.

        Raises:
            NothingToLearnError: there are no features.
            TrainingDivergedError: the loss stopped being a number; the last checkpoint stays.
        """
        at = self.at
        if folder is not None:
            self._resume(folder, key)
        stream = WindowStream(reader, at.position)
        began, spent, since = time.monotonic(), at.seconds, clock()
        saved = began
        try:
            while not self._over(limit_s):
                windows, at.position = stream.next()
                due = time.monotonic() - saved > self.schedule.checkpoint_every_s
                due = self._step(windows, limit_s, due=due)
                if at.step % TIDY_EVERY == 0:
                    give_back()
                at.seconds = spent + clock() - since
                if due and folder is not None:
                    save_checkpoint(_file(folder, self.group.rank), at, key)
                if due:
                    saved = time.monotonic()
                if at.step % self.schedule.report_every == 0:
                    yield self._progress()
        finally:
            stream.close()
        if at.step % self.schedule.report_every:
            yield self._progress()
        lasted = time.monotonic() - began
        return stream.waited / lasted if lasted > 0 else 0.0

    def _resume(self, folder: Path, key: str) -> None:
        rank = self.group.rank
        if load_checkpoint(_file(folder, 0), self.at, key, own=rank == 0) and rank:
            load_chance(_file(folder, rank), self.at, key)

    def _over(self, limit_s: float | None) -> bool:
        return self.at.seconds >= limit_s if limit_s else self.at.step >= self.schedule.steps

    def _step(self, windows: dict[str, Tensor], limit_s: float | None, *, due: bool) -> bool:
        """Learn from one batch; return whether to write a checkpoint, as the first worker says."""
        schedule, at = self.schedule, self.at
        share = at.seconds / limit_s if limit_s else at.step / schedule.steps
        for group in at.optimiser.param_groups:
            factor = learning_rate_factor(int(share * 10_000), 10_000, schedule.warmup_share)
            group["lr"] = schedule.learning_rate * factor
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            terms = self.losses(windows)
        at.optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()  # type: ignore[no-untyped-call]  # torch's own
        values = torch.stack([x.detach().float().cpu() for x in terms.values()])
        values, due = self._share(values, due=due)
        at.step += 1
        for name, value in zip(terms, values.tolist(), strict=True):
            at.curves.setdefault(name, []).append(value)
        if not math.isfinite(at.curves["total"][-1]):
            raise TrainingDivergedError(
                f"The loss became {at.curves['total'][-1]} at step {at.step} of {schedule.steps}, "
                f"learning rate {schedule.learning_rate:g}. The last checkpoint before it is kept."
            )
        torch.nn.utils.clip_grad_norm_(self._parameters, schedule.clip_norm)
        at.optimiser.step()
        keep = min(schedule.ema, at.step / (at.step + 9))
        for name, value in self._net.state_dict().items():
            if value.is_floating_point():
                at.average[name].lerp_(value, 1 - keep)
            else:
                at.average[name].copy_(value)
        return due

    def _share(self, values: Tensor, *, due: bool) -> tuple[Tensor, bool]:
        """Average gradients and losses over all workers, in one message."""
        if self.group.size == 1:
            return values, due
        # The first worker's clock decides for all when a checkpoint is written.
        flag = torch.tensor([float(due and self.group.rank == 0)])
        parts = [x.grad if x.grad is not None else torch.zeros_like(x) for x in self._parameters]
        flat = torch.cat([*(part.detach().float().flatten().cpu() for part in parts), values, flag])
        flat = self.group.averaged(flat)
        sizes = [part.numel() for part in parts]
        *gradients, values, flag = torch.split(flat, [*sizes, len(values), 1])
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter).to(parameter.device)
        return values, bool(flag > 0)

    def _progress(self) -> Progress:
        at, every = self.at, self.schedule.report_every
        recent = at.curves["total"][-((at.step - 1) % every + 1) :]
        return Progress(at.step, self.schedule.steps, float(np.mean(recent)), at.seconds)


def device_here() -> torch.device:
    """Return the device that is trained on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _file(folder: Path, rank: int) -> Path:
    return folder / f"checkpoint-{rank}.safetensors"
