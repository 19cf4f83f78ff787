"""What every training has: the law of its learning rate, and how it reports. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Result = TypeVar("Result")


class Schedule(Protocol):
    """What a training loop asks of a preset."""

    @property
    def steps(self) -> int:
        """Steps of the optimiser."""

    @property
    def seed(self) -> int:
        """What every random number follows from."""

    @property
    def learning_rate(self) -> float:
        """The highest."""

    @property
    def weight_decay(self) -> float:
        """AdamW's."""

    @property
    def warmup_share(self) -> float:
        """Of the steps, linear; then a cosine to zero."""

    @property
    def clip_norm(self) -> float:
        """Of all gradients together."""

    @property
    def ema(self) -> float:
        """How much of the averaged weights, which ship, a step keeps."""

    @property
    def report_every(self) -> int:
        """Steps between reports."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; `loss` is the mean over the steps since the last report."""

    step: int
    steps: int
    loss: float
    seconds: float


def learning_rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """Factor of the learning rate at a step from 0: linear warm-up, then a half cosine."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def reported(
    training: Generator[Progress, None, Result], before: int = 0
) -> Generator[dict[str, Any], None, Result]:
    """Yield progress as recipes do, after so many steps of other work; return what was trained."""
    while True:
        try:
            at = next(training)
        except StopIteration as end:
            return cast("Result", end.value)
        yield {"step": before + at.step, "steps": before + at.steps, "loss": at.loss}


def finished(
    training: Generator[Progress, None, Result], hear: Callable[[Progress], object] | None = None
) -> Result:
    """Train to the end; `hear` is told how it goes."""
    while True:
        try:
            at = next(training)
        except StopIteration as end:
            return cast("Result", end.value)
        if hear is not None:
            hear(at)
