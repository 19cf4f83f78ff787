"""Batches through a pool of Ray actors, with every death accounted for.

Needs a connected Ray (`ray_cluster.connect`); reads and writes nothing itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from infra.errors import ComputeUnavailableError
from infra.log_lines import context
from infra.observability import log_for
from infra.ray_outcomes import (
    WORKER_CRASHED,
    WORKER_TIMEOUT,
    Finished,
    Lost,
    deaths,
    fitting_cpus,
    raise_cause,
    reason_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# After so many actors that died before they were ready there is no use in another.
_STILLBORN = 2

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Worker(Protocol[T_contra, R_co]):
    """What an actor holds: built once, then `run` for each batch, maybe by several threads."""

    def run(self, item: T_contra, /) -> R_co:
        """Do one batch."""


def map_batches(
    worker: Callable[..., Worker[T, R]],
    arguments: tuple[Any, ...],
    items: Iterable[T],
    *,
    actors: int,
    cpus_per_actor: float = 1,
    threads: int = 1,
    timeout_s: float | None = None,
) -> Iterator[Finished[T, R] | Lost[T]]:
    """Run `worker(*arguments).run(item)` for every item on a pool of actors; in no order.

    Each actor has `threads` items in hand and no queue, so at most that many more items are taken
    from `items` than have come out, and only items that were being worked on can be lost. With
    threads, a death takes its innocent neighbours along: retry what is `Lost` with `threads=1`.
    An actor that died or had an item for longer than `timeout_s` is replaced.

    Raises:
        ComputeUnavailableError: two actors die before they are ready, so a third would too.
        Exception: whatever the worker's constructor or `run` raises.
    """
    rest = iter(items)
    first = list(islice(rest, 1))
    if not first:
        return
    each, most = fitting_cpus(cpus_per_actor)
    pool = _Pool(worker, arguments, each, threads, timeout_s)
    try:
        yield from pool.run(chain(first, rest), max(1, min(actors, most)))
    finally:
        pool.close()


def map_batches_again(
    worker: Callable[..., Worker[list[T], R]],
    arguments: tuple[Any, ...],
    batches: Iterable[list[T]],
    *,
    actors: int,
    cpus_per_actor: float = 1,
    threads: int = 1,
) -> Iterator[Finished[list[T], R] | Lost[list[T]]]:
    """As `map_batches`; what a worker had in hand when it died is tried again, each item alone.

    An item that kills its worker even so is `Lost`, as a batch of one; its neighbours are not.

    Raises:
        ComputeUnavailableError, Exception: as `map_batches`.
    """
    pool = partial(map_batches, worker, arguments, actors=actors, cpus_per_actor=cpus_per_actor)
    alone: list[list[T]] = []
    for outcome in pool(batches, threads=threads):
        if isinstance(outcome, Lost):
            alone += [[one] for one in outcome.item]
        else:
            yield outcome
    yield from pool(alone, threads=1)


@dataclass(eq=False, slots=True)
class _Seat:
    """One actor of a pool, and the items it has in hand by the reference of their result."""

    handle: Any
    opening: Any
    hands: dict[Any, tuple[Any, float]] = field(default_factory=dict)
    dead: bool = False


class _Holder:
    """The actor: builds the worker in a call of its own, so that its errors come back whole."""

    def open(
        self, worker: Callable[..., Any], arguments: tuple[Any, ...], runs: Mapping[str, str]
    ) -> None:
        log_for(runs)
        self._worker = worker(*arguments)

    def run(self, item: object) -> object:
        return self._worker.run(item)


class _Pool:
    """The driver's side of `map_batches`."""

    def __init__(
        self,
        worker: Callable[..., Any],
        arguments: tuple[Any, ...],
        cpus: float,
        threads: int,
        timeout_s: float | None,
    ) -> None:
        import ray

        self._ray = ray
        self._actor = ray.remote(_Holder).options(
            num_cpus=cpus, max_restarts=0, max_task_retries=0, max_concurrency=threads
        )
        self._start = (worker, arguments, context())
        self._threads = threads
        self._timeout_s = timeout_s
        self._seats: list[_Seat] = []
        self._exhausted = False
        self._stillborn = 0

    def run(self, items: Iterator[T], actors: int) -> Iterator[Any]:
        """Yield an outcome for every item."""
        self._seats = [self._seat() for _ in range(actors)]
        while True:
            for seat in self._seats:
                self._fill(seat, items)
            if self._exhausted and not any(seat.hands for seat in self._seats):
                return
            yield from self._collect()

    def _fill(self, seat: _Seat, items: Iterator[Any]) -> None:
        while seat.opening is None and not seat.dead and len(seat.hands) < self._threads:
            taken = [] if self._exhausted else list(islice(items, 1))
            if not taken:
                self._exhausted = True
                return
            seat.hands[seat.handle.run.remote(taken[0])] = (taken[0], time.monotonic())

    def _seat(self) -> _Seat:
        handle = self._actor.remote()
        return _Seat(handle, handle.open.remote(*self._start))

    def _collect(self) -> Iterator[Any]:
        refs = {ref: seat for seat in self._seats for ref in seat.hands}
        refs |= {seat.opening: seat for seat in self._seats if seat.opening is not None}
        ready, _ = self._ray.wait(list(refs), num_returns=1, timeout=self._patience())
        for ref in ready:
            seat = refs[ref]
            if ref == seat.opening:
                self._opened(seat)
                continue
            item, _ = seat.hands.pop(ref)
            try:
                result = self._ray.get(ref)
            except self._ray.exceptions.RayTaskError as error:
                raise_cause(error)
            except deaths() as death:
                seat.dead = True
                yield Lost(item, reason_of(death, WORKER_CRASHED))
            else:
                yield Finished(item, result)
        yield from self._expire()
        # A dead seat stays until its last item is accounted for.
        for seat in [seat for seat in self._seats if seat.dead and not seat.hands]:
            self._seats.remove(seat)
            if not self._exhausted:
                self._seats.append(self._seat())

    def _opened(self, seat: _Seat) -> None:
        try:
            self._ray.get(seat.opening)
        except self._ray.exceptions.RayTaskError as error:
            raise_cause(error)
        except deaths() as death:
            # One may have been killed by somebody else.
            self._stillborn += 1
            if self._stillborn == _STILLBORN:
                raise ComputeUnavailableError(
                    f"A worker died while it started: {reason_of(death, WORKER_CRASHED)}.",
                    command="stillhouse doctor",
                ) from death
            self._seats[self._seats.index(seat)] = self._seat()
        else:
            seat.opening = None

    def _patience(self) -> float | None:
        started = [since for seat in self._seats for _, since in seat.hands.values()]
        if self._timeout_s is None or not started:
            return None
        return max(0.0, min(started) + self._timeout_s - time.monotonic())

    def _expire(self) -> Iterator[Any]:
        if self._timeout_s is None:
            return
        for seat in self._seats:
            for ref, (item, since) in list(seat.hands.items()):
                if not seat.dead and time.monotonic() - since >= self._timeout_s:
                    self._ray.kill(seat.handle)
                    seat.dead = True
                    del seat.hands[ref]
                    yield Lost(item, WORKER_TIMEOUT)

    def close(self) -> None:
        """End the actors at once, whatever they are doing."""
        for seat in self._seats:
            self._ray.kill(seat.handle)
