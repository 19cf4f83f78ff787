"""Train the distiller by several workers at once, each with its share of every batch.

Runs Ray Train's torch workers (gloo on CPUs, nccl where there are GPUs); what they yield comes
back through a queue. A worker that dies ends the attempt; the next goes on from the checkpoint, so
on a cluster the folder must be one that all machines see.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.distiller.train import TrainedDistiller, train_distiller
from tasks.training.of_windows import Alone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from tasks.distiller.presets import DistillerPreset
    from tasks.training.schedule import Progress
    from tasks.windows.sets import WindowSource

# Attempts besides the first, each from the last checkpoint.
ATTEMPTS = 2


@dataclass(frozen=True)
class Several(Alone):
    """One of the workers of a process group."""

    rank: int = 0
    size: int = 1

    def averaged(self, numbers: Tensor) -> Tensor:
        """Return the mean over all workers of a vector of each."""
        import torch.distributed as dist

        dist.all_reduce(numbers)
        return numbers / self.size


def train_in_parallel(
    source: WindowSource,
    split: str,
    preset: DistillerPreset,
    *,
    threads: int = 1,
    folder: Path,
    key: str = "",
) -> Iterator[Progress | TrainedDistiller]:
    """Do what `train_distiller` does by `preset.workers` processes, which share the threads.

    Raises:
        NothingToLearnError, TrainingDivergedError: as there.
        ComputeUnavailableError: workers died more often than they are started again.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue

    each = max(1, threads // preset.workers)
    told = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _worker,
        train_loop_config={
            "source": source,
            "split": split,
            "preset": preset,
            "threads": each,
            "folder": folder,
            "key": key,
            "told": told,
        },
        scaling_config=ScalingConfig(
            num_workers=preset.workers, resources_per_worker={"CPU": each}
        ),
        run_config=RunConfig(
            storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=ATTEMPTS)
        ),
    )
    ended: list[BaseException | None] = []

    def fit() -> None:
        try:
            trainer.fit()
            ended.append(None)
        except Exception as error:  # noqa: BLE001  it is raised by the generator
            ended.append(error)
        told.put(None)

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    while (found := told.get()) is not None:
        yield found
    thread.join()
    told.shutdown()
    if ended[0] is not None:
        _raise(ended[0])


def _raise(error: BaseException) -> None:
    """Raise what a worker raised as it was, or that workers died."""
    from infra.errors import ComputeUnavailableError, StillhouseError

    for failure in getattr(error, "worker_failures", {}).values():
        for cause in _causes(failure):
            if isinstance(cause, StillhouseError):
                raise cause from error
    raise ComputeUnavailableError(
        f"The workers of the training stopped: {str(error).splitlines()[0]}",
        command="stillhouse doctor",
    ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what Ray wrapped in it, and what that came of."""
    known: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in known:
        yield cause
        known.append(cause)
        cause = getattr(cause, "cause", None) or cause.__cause__


def _worker(given: dict[str, Any]) -> None:
    """Train as one of the workers; the first one tells how it goes."""
    import ray.train

    context = ray.train.get_context()
    group = Several(context.get_world_rank(), context.get_world_size())
    told = given.pop("told")
    for found in train_distiller(**given, group=group):
        if group.rank == 0:
            told.put(found)
