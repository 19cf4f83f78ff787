"""Kill a run anywhere, run it again: the catalog is what an uninterrupted run makes it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from catalog.contents import content_digests
from catalog.query import run
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from flows.extract import extract
from flows.ingest import ingest
from infra.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Road

INGESTED = ("recordings", "quarantine", "sessions", "shots", "clips")
CONTENT = (*INGESTED, "features")
# What the command ends with: all done, or done with files refused.
DONE, DONE_WITH_QUARANTINE = 0, 3
FIRST_COMMIT = "_delta_log/00000000000000000000.json"
PATIENCE_S = 150


@contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command as a user does; whatever is left of it is killed at the end."""
    command = [str(Path(sys.executable).parent / "stillhouse"), "--home", str(home), *arguments]
    # Not what this process's Prefect, MLflow and Ray were started with.
    ours = ("PREFECT", "MLFLOW", "RAY_AUTH")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    # What the road's one thread made is what two make.
    environment["STILLHOUSE_CPUS"] = "2"
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # The whole group: driver, Prefect's server, Ray.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def killed_when(path: Path, home: Path, *arguments: str) -> bool:
    """Run the command and kill it without warning as soon as `path` is there.

    Returns whether it was killed rather than done before.
    """
    with started(home, *arguments) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return process.poll() is None and path.exists()


def killed_after(seconds: float, home: Path, *arguments: str) -> bool:
    """Run the command and kill it after so long; return whether it was still at it."""
    with started(home, *arguments) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.poll() is None


def kill_worker(process: subprocess.Popen[bytes], title: str) -> bool:
    """Kill the first Ray worker of a running command that is at a task of that title."""
    while process.poll() is None:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                if "".join(child.cmdline()[:1]).startswith(f"ray::{title}"):
                    child.kill()
                    return True
        time.sleep(0.01)
    return False


def contents(home: Path, tables: tuple[str, ...] = CONTENT) -> dict[str, str]:
    """Return the digests of the tables that a home's runs filled."""
    found = content_digests(Catalog(load_settings(home).catalog).snapshot())
    return {name: found[name] for name in tables}


def doubled(home: Path) -> dict[str, int]:
    """Return how many keys of each table stand in it more than once."""
    snapshot = Catalog(load_settings(home).catalog).snapshot()
    found = {}
    for table in TABLES.values():
        if table.key:
            key = ", ".join(f'"{name}"' for name in table.key)
            twice = f'select 1 from "{table.name}" group by {key} having count(*) > 1'  # noqa: S608
            found[table.name] = run(snapshot, twice).num_rows
    return {name: count for name, count in found.items() if count}


def new_home(folder: Path, weights: Path) -> Path:
    """Return a home of one's own with the assets that extraction needs."""
    home = folder / "home"
    home.mkdir()
    (home / "assets").symlink_to(weights)
    return home


def test_a_killed_ingest_and_extract_end_as_if_nothing_had_happened(
    road: Road, weights: Path, tmp_path: Path
) -> None:
    """Killed after its first commit, each flow completes when run again, and nothing is doubled."""
    home = new_home(tmp_path, weights)
    archive = str(road.truth.folder)
    assert killed_when(home / "catalog" / "recordings" / FIRST_COMMIT, home, "ingest", archive)
    assert ingest(archive, str(home))["pending"] == 0
    assert killed_when(home / "catalog" / "features" / FIRST_COMMIT, home, "extract")
    report = extract((), str(home))
    assert report["done"] + report["cached"] == report["inputs"]
    assert contents(home) == contents(road.settings.root)
    assert doubled(home) == {}


def test_a_worker_killed_while_it_scans_costs_no_file(
    road: Road, weights: Path, tmp_path: Path
) -> None:
    """Its file is scanned again, not refused, and the run ends as any other."""
    home = new_home(tmp_path, weights)
    with started(home, "ingest", str(road.truth.folder)) as process:
        assert kill_worker(process, "_run_alone")
        assert process.wait(PATIENCE_S) == DONE_WITH_QUARANTINE
    assert contents(home, INGESTED) == contents(road.settings.root, INGESTED)


@pytest.mark.long
def test_a_worker_killed_while_it_extracts_costs_no_clip(
    road: Road, weights: Path, tmp_path: Path
) -> None:
    """Its batch is done again clip by clip; no clip is refused and none is there twice."""
    home = new_home(tmp_path, weights)
    shutil.copytree(road.settings.root / "catalog", home / "catalog")
    shutil.rmtree(home / "catalog" / "features")
    with started(home, "extract") as process:
        assert kill_worker(process, "_Holder")
        assert process.wait(PATIENCE_S) == DONE
    assert contents(home) == contents(road.settings.root)
    assert doubled(home) == {}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_a_driver_killed_at_any_instants_loses_nothing(
    road: Road, weights: Path, tmp_path: Path, seed: int
) -> None:
    """Killed four times over wherever it was, ingest completes the fifth time."""
    home, archive = new_home(tmp_path, weights), str(road.truth.folder)
    instants = random.Random(seed)
    # From the start of Python to about the last commit: Prefect and Ray take 8 s to start.
    longest = 8 + road.reports["ingest"]["seconds"]
    killed = [killed_after(instants.uniform(1, longest), home, "ingest", archive) for _ in range(4)]
    assert any(killed)
    assert ingest(archive, str(home))["pending"] == 0
    assert contents(home, INGESTED) == contents(road.settings.root, INGESTED)
    assert doubled(home) == {}


@pytest.mark.long
def test_two_ingests_at_once_make_what_one_makes(road: Road, weights: Path, tmp_path: Path) -> None:
    """Both complete, no row is there twice, and the catalog is that of a single run."""
    home, archive = new_home(tmp_path, weights), str(road.truth.folder)
    with started(home, "ingest", archive) as one, started(home, "ingest", archive) as other:
        ended = [process.wait(PATIENCE_S) for process in (one, other)]
    assert ended == [DONE_WITH_QUARANTINE] * 2
    assert doubled(home) == {}
    assert contents(home, INGESTED) == contents(road.settings.root, INGESTED)


TWO_MACHINES = """
import os, sys, tempfile, threading, time
from contextlib import suppress
from pathlib import Path
from infra.settings import Settings
home, archive = Path(sys.argv[1]), sys.argv[2]
Settings(home=home).prepare_process()
import psutil
from prefect.testing.utilities import prefect_test_harness
from ray.cluster_utils import Cluster
from flows.ingest import ingest

def is_scanning(process):
    with suppress(psutil.Error):
        return "".join(process.cmdline()[:1]).startswith("ray::_run_alone")
    return False

def lose(cluster, node):
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    while not any(map(is_scanning, raylet.children(recursive=True))):
        time.sleep(.005)
    cluster.remove_node(node, allow_graceful=False)
    print("lost", flush=True)

if __name__ == "__main__":
    with prefect_test_harness(server_startup_timeout=90), tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(True, head_node_args={"num_cpus": 1, "temp_dir": folder})
        second = cluster.add_node(num_cpus=1)
        os.environ |= {"STILLHOUSE_RAY_ADDRESS": cluster.address, "STILLHOUSE_CPUS": "2"}
        thread = threading.Thread(target=lose, args=(cluster, second), daemon=True)
        thread.start()
        report = ingest(archive, str(home))
        thread.join(5)
        print("pending", report["pending"], "failed", report["failed"], flush=True)
        import ray
        ray.shutdown()
        cluster.shutdown()
"""


@pytest.mark.long
def test_a_machine_that_is_lost_costs_no_file(road: Road, weights: Path, tmp_path: Path) -> None:
    """One of two nodes dies while it scans: what it had in hand is done by the other."""
    home = new_home(tmp_path, weights)
    ours = ("PREFECT", "MLFLOW", "RAY_")
    ended = subprocess.run(
        [sys.executable, "-c", TWO_MACHINES, str(home), str(road.truth.folder)],
        env={k: v for k, v in os.environ.items() if not k.startswith(ours)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "lost" in ended.stdout
    assert "pending 0 failed 0" in ended.stdout
    assert contents(home, INGESTED) == contents(road.settings.root, INGESTED)
