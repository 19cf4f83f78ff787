"""The Ray of a process: joined or started, on loopback alone; what its workers are told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from infra.log_lines import bound
from infra.observability import log_facts
from infra.ray_cluster import (
    Finished,
    connect,
    map_batches,
    map_isolated,
    stream,
)
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def environment(_: int) -> dict[str, str]:
    """Return what the worker process was given."""
    return dict(os.environ)


@pytest.mark.usefixtures("ray_local")
def test_workers_have_one_thread_and_send_nothing_home() -> None:
    """Worker processes have our environment; this process's own is left alone."""
    (found,) = map_isolated(environment, [0], timeout_s=30, concurrency=1)
    assert isinstance(found, Finished)
    wanted = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    assert wanted.items() <= found.result.items()
    assert found.result["MALLOC_TRIM_THRESHOLD_"] == "2147483648"
    assert found.result["RAY_AUTH_MODE"] == "token"


@pytest.mark.usefixtures("ray_local")
def test_ray_listens_on_loopback_only() -> None:
    """No port of Ray's can be reached from another machine."""
    listening = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        for one in process.net_connections("inet"):
            if one.status == psutil.CONN_LISTEN:
                listening.add(one.laddr.ip.removeprefix("::ffff:"))
    assert listening
    assert listening <= {"127.0.0.1", "::1"}


def test_connecting_again_uses_the_ray_that_is_here(ray_local: Settings, tmp_path: Path) -> None:
    """Another home in the same process shares the running Ray; connecting costs nothing."""
    assert list(map_isolated(abs, [5], timeout_s=30, concurrency=1)) == [Finished(5, 5)]
    began = time.monotonic()
    connect(ray_local)
    connect(Settings(home=tmp_path))
    assert time.monotonic() - began < 2


OWN_RAY = """
import os, sys
from pathlib import Path
from infra.ray_cluster import cluster, map_isolated
from infra.settings import Settings
if __name__ == "__main__":
    with cluster(Settings(home=Path(sys.argv[1]), cpus=1)):
        found = list(map_isolated(os._exit, [3], timeout_s=30, concurrency=1))
    print(found[0].reason)
    print(list(Path("/tmp").glob(f"stillhouse-ray-{os.getpid()}-*")))
"""


def test_a_ray_of_ones_own_leaves_neither_words_nor_files(tmp_path: Path) -> None:
    """A worker's death writes nothing to stdout, and Ray's folder goes when the block ends."""
    found = subprocess.run(
        [sys.executable, "-c", OWN_RAY, str(tmp_path / ("deep" * 40))],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
    )
    assert found.stdout.splitlines() == ["decoder_crashed", "[]"]


ABSENT = """
import sys
from infra.errors import ComputeUnavailableError
from infra.ray_cluster import connect
from infra.settings import Settings
try:
    connect(Settings(ray_address="127.0.0.1:1"))
except ComputeUnavailableError as error:
    print(error, error.command)
"""


def test_an_absent_cluster_is_an_error_not_a_wait() -> None:
    """Nobody at the cluster's address is said at once, with what to do."""
    began = time.monotonic()
    found = subprocess.run(
        [sys.executable, "-c", ABSENT], capture_output=True, text=True, check=True
    )
    assert "No Ray head answers at 127.0.0.1:1" in found.stdout
    assert "STILLHOUSE_RAY_ADDRESS" in found.stdout
    assert time.monotonic() - began < 40


def told_from_inside(item: int) -> int:
    """Log a line where the work is done."""
    log_facts("inside", item=item, where="s3://me:hunter2@bucket/x")
    return item


class Teller:
    """A worker that logs."""

    def run(self, item: int) -> int:
        """Log a line and return the item."""
        return told_from_inside(item)


def tells(item: int) -> Iterator[int]:
    """Log a line in a stream."""
    yield told_from_inside(item)


def test_workers_lines_say_which_runs_they_are_of(ray_local: Settings) -> None:
    """In pools, alone and in streams; without secrets; in Ray's own log of that process."""
    import ray

    with bound(flow_run_id="the-flow-run", mlflow_run_id="the-mlflow-run"):
        assert [one.result for one in map_batches(Teller, (), [1], actors=1)] == [1]
        alone = map_isolated(told_from_inside, [2], timeout_s=60, concurrency=1)
        assert [one.result for one in alone] == [2]
        assert list(stream(tells, 3, ray_local)) == [3]
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    wanted = {f"inside item={item}" for item in (1, 2, 3)}
    for _ in range(50):
        lines = [line for file in logs.glob("worker-*") for line in file.read_text().splitlines()]
        mine = [line for line in lines if " INFO inside item=" in line]
        if len(mine) >= 3:
            break
        time.sleep(0.1)
    assert {event for event in wanted for line in mine if event in line} == wanted
    for line in mine:
        assert "flow_run_id=the-flow-run mlflow_run_id=the-mlflow-run" in line
        assert "hunter2" not in line
