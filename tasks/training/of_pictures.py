"""The loop that networks of pictures are trained by: step, average, report.

Reads and writes nothing: what a step shows the network, and what that costs, is the caller's. Equal
losses, schedule, threads and CPU features give equal weights, bit for bit.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from infra.errors import TrainingDivergedError
from tasks.training.schedule import Progress, learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from torch import Tensor, nn

    from models.precision import Precision
    from tasks.training.schedule import Schedule


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
        return in_channels_last(model.eval())


class PictureTraining:
    """One run. `net` learns; what ships is its average over steps.

    The network has `init_weights(generator)` and the `config` it was made of.
    """

    def __init__(self, net: Any, schedule: Schedule, precision: Precision) -> None:  # noqa: ANN401
        """Draw the network's weights from the schedule's seed."""
        self.schedule, self.precision = schedule, precision
        net.init_weights(torch.Generator().manual_seed(schedule.seed))
        self.net = in_channels_last(net.train())
        self.losses: list[float] = []
        self._average = {name: x.detach().clone() for name, x in self.net.state_dict().items()}
        self._seconds = 0.0

    def run(
        self, loss_of: Callable[[int], Tensor], threads: int
    ) -> Generator[Progress, None, Trained]:
        """Minimise `loss_of(step)`, steps from 1; report every `report_every` and at the end.

        Sets torch's thread count while it runs.

        Raises:
            TrainingDivergedError: if the loss stops being a number.
        """
        with torch_threads(threads):
            yield from self._steps(loss_of)
            return Trained(
                {name: value.contiguous() for name, value in self._average.items()},
                self.net.config,
                type(self.net),
                self.losses,
                self._seconds,
                self.precision,
                torch.get_num_threads(),
            )

    def _steps(self, loss_of: Callable[[int], Tensor]) -> Iterator[Progress]:
        how, net = self.schedule, self.net
        optimiser = torch.optim.AdamW(
            net.parameters(),
            lr=how.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=how.weight_decay,
        )
        rate = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate_factor(step, how.steps, how.warmup_share)
        )
        started = time.monotonic()
        for step in range(1, how.steps + 1):
            loss = loss_of(step)
            self.losses.append(loss.item())
            if not math.isfinite(self.losses[-1]):
                raise TrainingDivergedError(
                    f"The loss became {self.losses[-1]} at step {step} of {how.steps}, learning "
                    f"rate {how.learning_rate:g}."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            torch.nn.utils.clip_grad_norm_(net.parameters(), how.clip_norm)
            optimiser.step()
            rate.step()
            # Early on the average must forget its random start: 1/10 new at step 1, 1/100 by 90.
            self._move(min(how.ema, step / (step + 9)))
            self._seconds = time.monotonic() - started
            if step % how.report_every == 0 or step == how.steps:
                recent = self.losses[-((step - 1) % how.report_every + 1) :]
                yield Progress(step, how.steps, float(np.mean(recent)), self._seconds)

    def _move(self, keep: float) -> None:
        """Move the average towards the weights and the norms' statistics; counts are copied."""
        for name, value in self.net.state_dict().items():
            if value.is_floating_point():
                self._average[name].lerp_(value, 1 - keep)
            else:
                self._average[name].copy_(value)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_channels_last(net: Any) -> Any:  # noqa: ANN401  the same class
    """Lay a network's weights out as its convolutions read them fastest."""
    return net.to(memory_format=torch.channels_last)
