"""What becomes of work on Ray: finished, lost, or raised. Reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from infra.errors import ComputeUnavailableError

T = TypeVar("T")
R = TypeVar("R")

# Why an item of `map_isolated` was lost, and one of `map_batches`.
DECODE_TIMEOUT, DECODER_CRASHED = "decode_timeout", "decoder_crashed"
WORKER_TIMEOUT, WORKER_CRASHED = "worker_timeout", "worker_crashed"
OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True)
class Finished(Generic[T, R]):
    """An item and what came of it."""

    item: T
    result: R


@dataclass(frozen=True, slots=True)
class Lost(Generic[T]):
    """An item whose process died, and how."""

    item: T
    reason: str


def fitting_cpus(cpus: float) -> tuple[float, int]:
    """Return at most the cores of the largest machine, and how many such shares there are.

    Ray waits without a word for what it will never have.

    Raises:
        ComputeUnavailableError: every machine is gone since Ray was joined.
    """
    import ray

    per_node = [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]
    if not per_node:
        raise ComputeUnavailableError(
            "Ray has no machine left: its processes are gone.", command="stillhouse doctor"
        )
    each = min(cpus, max(per_node))
    return each, sum(int(has / each) for has in per_node)


def deaths() -> tuple[type[Exception], ...]:
    """Return the errors by which Ray says that a process or machine is gone."""
    from ray import exceptions as found

    return (
        found.RayActorError,
        found.WorkerCrashedError,
        found.OutOfMemoryError,
        found.NodeDiedError,
        found.ObjectLostError,
    )


def is_machine_lost(death: Exception) -> bool:
    """Tell whether a whole machine is gone, or with it a result that was finished already."""
    from ray import exceptions as found

    return isinstance(death, found.NodeDiedError | found.ObjectLostError)


def reason_of(death: Exception, otherwise: str) -> str:
    """Return `out_of_memory` if Ray killed the process to save the machine, else `otherwise`."""
    return OUT_OF_MEMORY if type(death).__name__ == "OutOfMemoryError" else otherwise


def raise_cause(error: Any) -> NoReturn:  # noqa: ANN401  ray.exceptions.RayTaskError
    """Raise what the work raised; the worker's traceback stays visible as its cause."""
    cause = error.cause
    if isinstance(cause, Exception):
        raise cause from error
    raise error
