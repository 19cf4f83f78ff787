"""Work on Ray: items each in its own process, one long stream, batches through actors.

Starts a local Ray or joins the cluster of the settings; reads and writes nothing else. A worker
that dies costs the items it had in hand, which are tried again or come back as `Lost`; the job
goes on. What the work itself raises is raised here as it was, not wrapped.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from infra.errors import ComputeUnavailableError
from infra.log_lines import context
from infra.observability import log_for
from infra.ray_local import start_local, stop_local
from infra.ray_outcomes import (
    DECODE_TIMEOUT,
    DECODER_CRASHED,
    WORKER_CRASHED,
    Finished,
    Lost,
    deaths,
    fitting_cpus,
    is_machine_lost,
    raise_cause,
    reason_of,
)
from infra.ray_pool import Worker, map_batches, map_batches_again
from infra.settings import LOG_FORMAT_VARIABLE, WORKER_ENVIRONMENT, asked_log_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from infra.settings import Settings

__all__ = [
    "Finished",
    "Lost",
    "Worker",
    "cluster",
    "connect",
    "fitting_cpus",
    "map_batches",
    "map_batches_again",
    "map_isolated",
    "stream",
]

T = TypeVar("T")
R = TypeVar("R")

# Ray waits for ever for a head that is not there.
CONNECT_TIMEOUT_S = 5.0
# After so many lost machines an item is taken to be what kills them.
_NODE_DEATHS_FORGIVEN = 3


def connect(settings: Settings) -> None:
    """Have Ray ready in this process: the one already here, a cluster's, or a new local one.

    Raises:
        ComputeUnavailableError: the cluster is not there or refuses, or Ray does not start.
    """
    settings.prepare_process()
    if _is_connected():
        return
    if settings.ray_address is None:
        start_local(settings)
    else:
        require_head(settings.ray_address)
        _join(settings.ray_address)


@contextmanager
def cluster(settings: Settings) -> Iterator[None]:
    """Have Ray ready inside the block; at its end stop it if it was started here."""
    started = not _is_connected()
    connect(settings)
    try:
        yield
    finally:
        if started:
            stop_local()


def _is_connected() -> bool:
    # Without importing Ray (.5 s) only to learn that it is not there.
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def require_head(address: str) -> None:
    """Make sure that somebody listens where a cluster's head should be.

    Raises:
        ComputeUnavailableError: nobody does.
        ValueError: that is no address.
    """
    if address == "auto":
        return
    parsed = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        socket.create_connection((parsed.hostname, parsed.port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ComputeUnavailableError(
            f"No Ray head answers at {address}: {error.strerror or error}.",
            command="unset STILLHOUSE_RAY_ADDRESS",
        ) from error


def _join(address: str) -> None:
    import ray

    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={
                "env_vars": {**WORKER_ENVIRONMENT, LOG_FORMAT_VARIABLE: asked_log_format()}
            },
        )
    except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
        raise ComputeUnavailableError(
            f"The Ray cluster at {address} refuses: {str(error).splitlines()[0]}",
            command="ray get-auth-token",
        ) from error


def map_isolated(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    timeout_s: float,
    concurrency: int,
    attempts: int = 2,
) -> Iterator[Finished[T, R] | Lost[T]]:
    """Run `function(item)` for every item, each alone in a process, `concurrency` at once.

    A process that works on an item for `timeout_s` is killed by the kernel (also one that hangs in
    native code and holds the interpreter's lock): `Lost(item, "decode_timeout")`. Waiting for a
    free core does not count. In no order.

    One that dies may have been killed by somebody else, or for its neighbour's memory: its item is
    tried again after all others, with nothing beside it, and only one that has lost `attempts`
    processes is `Lost(item, "decoder_crashed")`. So a file that does crash costs two processes.

    Raises:
        Exception: whatever `function` raises.
    """
    import ray

    task = ray.remote(_run_alone).options(num_cpus=1, max_retries=0, num_returns="streaming")
    rest = (_Alone(item, timeout_s, attempts) for item in items)
    again: deque[_Alone[T]] = deque()
    running: dict[Any, _Alone[T]] = {}

    def start(one: _Alone[T]) -> None:
        running[task.remote(function, one.item, timeout_s, context())] = one

    try:
        while True:
            for one in islice(rest, concurrency - len(running)):
                start(one)
            if again and not running:
                start(again.popleft())
            if not running:
                return
            (produced,), _ = ray.wait(list(running), num_returns=1)
            one = running[produced]
            value, death = _outcome(produced)
            if death is None and one.started_s is None:
                one.started_s = value
                continue
            del running[produced]
            if death is None:
                yield Finished(one.item, value)
            elif one.may_move(death):
                start(one)
            elif one.may_try_again():
                again.append(one)
            else:
                yield one.lost(death)
    finally:
        _cancel(running)


def _cancel(running: Iterable[Any]) -> None:
    import ray

    for produced in running:
        ray.cancel(produced, force=True)


def _outcome(produced: Any) -> tuple[Any, Exception | None]:  # noqa: ANN401  a Ray generator
    """Return the next value of a task, or how its process died.

    Raises:
        Exception: whatever the task raises.
    """
    import ray

    try:
        return ray.get(next(produced)), None
    except ray.exceptions.RayTaskError as error:
        raise_cause(error)
    except deaths() as death:
        return None, death


@dataclass(slots=True)
class _Alone(Generic[T]):
    """An item of `map_isolated`: when its process began with it, and what it has lost so far."""

    item: T
    timeout_s: float
    attempts: int
    started_s: float | None = None
    nodes_lost: int = 0

    def may_move(self, death: Exception) -> bool:
        """Tell whether to go on elsewhere: a lost machine is no fault of the item, at first."""
        if not is_machine_lost(death) or self.nodes_lost == _NODE_DEATHS_FORGIVEN:
            return False
        self.nodes_lost += 1
        self.started_s = None
        return True

    def may_try_again(self) -> bool:
        """Take away an attempt, and tell whether there is another: a deadline comes but once."""
        self.attempts -= 1
        if not self.attempts or self._is_late():
            return False
        self.started_s = None
        return True

    def lost(self, death: Exception) -> Lost[T]:
        """Return what became of the item."""
        otherwise = DECODE_TIMEOUT if self._is_late() else DECODER_CRASHED
        return Lost(self.item, reason_of(death, otherwise))

    def _is_late(self) -> bool:
        return self.started_s is not None and time.time() - self.started_s >= self.timeout_s


def _run_alone(
    function: Callable[[T], R], item: T, timeout_s: float, runs: Mapping[str, str]
) -> Iterator[R | float]:
    """Yield the time it begins, in seconds (waiting for a core is over by then), and the result."""
    yield time.time()
    log_for(runs)
    # The default action of SIGALRM ends the process without asking the interpreter. Ray runs a
    # task in the main thread, where alone a handler can be set.
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        result = function(item)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    yield result


def stream(
    function: Callable[[T], Iterable[R]], work: T, settings: Settings, cpus: int | None = None
) -> Iterator[R]:
    """Run a generator in one process and yield what it yields as it comes.

    It has every core unless `cpus` says how many; with none it may start workers that have them.

    Raises:
        ComputeUnavailableError: the process died.
        Exception: whatever `function` raises.
    """
    import ray

    held = fitting_cpus(settings.cpus)[0] if cpus is None else cpus
    task = ray.remote(_iterate).options(num_cpus=held, num_returns="streaming", max_retries=0)
    produced = task.remote(function, work, context())
    try:
        for ref in produced:
            yield ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise_cause(error)
    except deaths() as death:
        raise ComputeUnavailableError(
            f"The process of {function.__name__} died: {reason_of(death, WORKER_CRASHED)}.",
            command="stillhouse doctor",
        ) from death
    finally:
        with suppress(ValueError):
            ray.cancel(produced, force=True)


def _iterate(function: Callable[[T], Iterable[R]], work: T, runs: Mapping[str, str]) -> Iterator[R]:
    log_for(runs)
    # Not `yield from`: Ray sends into the generator, which other iterators cannot take.
    for value in function(work):  # noqa: UP028
        yield value
