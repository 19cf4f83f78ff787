"""Several processes that commit to one catalog, and processes that are killed while they do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from catalog.query import run
from catalog.schemas.clips import CLIPS
from catalog.store import Catalog

REPO = Path(__file__).parents[2]


def clip(number: int, flow_run_id: str = "run") -> dict[str, Any]:
    return {
        "clip_id": f"clip{number:04d}",
        "session_id": "session",
        "start_ns": number * 10,
        "end_ns": number * 10 + 10,
        "cameras": ["cam01", "cam02"],
        "forming": "cut",
        "split": "train",
        "shot_index": 0,
        "flow_run_id": flow_run_id,
    }


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """An empty catalog in a folder that does not exist yet."""
    return Catalog(tmp_path / "home" / "catalog")


def ids(catalog: Catalog, table: str = "clips", name: str = "clip_id") -> list[str]:
    found = run(catalog.snapshot(), f"select {name} from {table} order by all")  # noqa: S608 - ours
    return [str(value) for value in found[name].to_pylist()]


WRITER = """
import sys, json
from catalog.store import Catalog
from catalog.schemas.clips import CLIPS
catalog, first, count, row = Catalog(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), None
row = json.loads(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
for batch in range(count):
    numbers = range(first + batch * 5, first + batch * 5 + 10)
    rows = [row | {"clip_id": f"clip{n:04d}", "start_ns": n} for n in numbers]
    print(catalog.commit(CLIPS, rows).rows_added, flush=True)
"""


# As on a machine of its own: the lock of a catalog in an object store is in its temporary folder.
OWN_LOCK = """
import tempfile
from catalog.store import Catalog
Catalog._lock_path = lambda self: tempfile.mkdtemp() + "/lock"
"""


def start_writer(
    catalog: Catalog, first: int, batches: int, *, own_lock: bool = False
) -> subprocess.Popen[str]:
    code = (OWN_LOCK if own_lock else "") + WRITER
    command = [sys.executable, "-c", code, catalog.uri, str(first), str(batches)]
    writer = subprocess.Popen(
        [*command, json.dumps(clip(0))],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


@pytest.mark.parametrize("machines", [False, True])
def test_processes_that_commit_the_same_rows_at_once_store_each_once(
    catalog: Catalog, *, machines: bool
) -> None:
    """Three processes with overlapping batches add every row exactly once between them.

    So they do where none sees the others' lock, as processes of several machines do not.
    """
    writers = [start_writer(catalog, first, 6, own_lock=machines) for first in (0, 10, 20)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    added = 0
    for writer in writers:
        out, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        added += sum(map(int, out.split()))
    stored = ids(catalog)
    assert stored == [f"clip{n:04d}" for n in range(20 + 6 * 5 + 5)]
    assert added == len(stored)
    # What was written for an attempt that came second is not left behind.
    written = Path(catalog.uri, CLIPS.name).rglob("*.parquet")
    assert len(list(written)) == len(catalog.snapshot().files(CLIPS))


def test_a_killed_writer_loses_no_acknowledged_row_and_frees_the_lock(catalog: Catalog) -> None:
    """After kill -9 the catalog reads, holds all that was acknowledged, and takes commits."""
    acknowledged = 0
    for round_ in range(3):
        writer = start_writer(catalog, first=round_ * 1000, batches=1000)
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        lines = [writer.stdout.readline() for _ in range(2 + round_)]
        time.sleep(0.01 * round_)
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=30)
        acknowledged += sum(map(int, lines)) + sum(
            int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")
        )
        stored = ids(catalog)
        assert acknowledged <= len(stored) <= acknowledged + 10 * (round_ + 1)
        assert len(set(stored)) == len(stored)
    started = time.monotonic()
    assert catalog.commit(CLIPS, [clip(9999)]).rows_added == 1
    assert time.monotonic() - started < 10
