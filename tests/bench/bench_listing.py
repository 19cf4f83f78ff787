"""Hashing, and a run that finds nothing new: `python tests/bench/bench_listing.py [COUNT ...]`.

Hashes a gibibyte of page-cached bytes as ingest does, beside bare BLAKE3 and bare reading; then
makes a folder and a catalog of COUNT recordings (100,000 and 1,000,000 unless told) in a temporary
folder and asks, in a new process, what an ingest of it has to do: nothing. Prints seconds from the
process's birth and its peak memory. Prefect, which a run of the flow starts first, is not in it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import psutil
from blake3 import blake3
from listing_catalog import make_archive, make_catalog

from catalog.ids import CHUNK_BYTES, file_id
from infra.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.runs.record import FlowRun

    NoOp = Callable[[str, FlowRun], object]

BYTES, ROUNDS = 1 << 30, 5
COUNTS = (100_000, 1_000_000)
GOAL_HASHING, GOAL_S, GOAL_MIB = 0.8, 10.0, 500.0
# The count that the goals are for; more is measured and printed.
GOAL_COUNT = 100_000


def main() -> None:
    """Measure hashing, then each count."""
    if sys.argv[1:2] == ["--ask"]:
        print(json.dumps(asked(standing_ingest, *sys.argv[2:])))
        return
    counts = [int(one) for one in sys.argv[1:]] or COUNTS
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        hashing(Path(folder) / "bytes")
        for count in counts:
            listing(Path(folder) / str(count), count)


def hashing(path: Path) -> None:
    """Print the speed of `file_id` relative to its two halves; wall time, since it reads ahead."""
    block = np.random.default_rng(0).bytes(BYTES // 16)
    with path.open("wb") as file:
        for _ in range(16):
            file.write(block)

    def bare() -> None:
        hasher = blake3()
        for _ in range(16):
            hasher.update(block)

    def read() -> None:
        buffer = bytearray(CHUNK_BYTES)
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    ways: dict[str, Callable[[], object]] = {
        "bare BLAKE3": bare,
        "bare reading": read,
        "file_id": lambda: file_id(path),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - started)
    path.unlink()
    print(f"hashing {BYTES >> 20} MiB from the page cache")
    slower = max(median(spent["bare BLAKE3"]), median(spent["bare reading"]))
    for name, seconds in spent.items():
        print(f"  {name:14}{BYTES / median(seconds) / 1e9:6.2f} GB/s")
    kept = slower / median(spent["file_id"])
    print(f"  file_id keeps {kept:.0%} of the slower half{verdict(kept >= GOAL_HASHING, '80 %')}")


def listing(folder: Path, count: int) -> None:
    """Make archive and catalog, ask in a new process, print."""
    archive, home = folder / "archive", folder / "home"
    settings = load_settings(home)
    started = time.perf_counter()
    make_archive(archive, count)
    make_catalog(settings, archive, count)
    made_s = time.perf_counter() - started
    command = [sys.executable, __file__, "--ask", str(archive), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the run failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["cached"] != count or found["commits"]:
        raise RuntimeError(f"that was no run without work: {found}")
    shutil.rmtree(folder)
    mebibytes = found["peak_bytes"] / 2**20
    good = found["whole_s"] < GOAL_S and mebibytes < GOAL_MIB
    print(
        f"nothing new in {count:,} recordings: {found['whole_s']:.1f} s ({found['cpu_s']:.1f} s "
        f"CPU, {found['import_s']:.1f} s until imported), {mebibytes:,.0f} MiB"
        f"{verdict(good, '10 s, 500 MiB') if count == GOAL_COUNT else ''}   "
        f"[made in {made_s:.0f} s]"
    )


def standing_ingest(archive: str, run: FlowRun) -> object:
    """Ask what an ingest has to do, as the command does before it starts an engine."""
    from flows.standing import _ingest

    return _ingest(archive, run)


def asked(no_op: NoOp, archive: str, home: str) -> dict[str, float]:
    """Call a run without work and return what it took."""
    settings = load_settings(home)
    settings.prepare_process()
    from tasks.runs.record import FlowRun

    born = psutil.Process().create_time()
    run = FlowRun("ingest", settings)
    before = run.catalog.snapshot().versions
    import_s = time.time() - born
    no_op(archive, run)
    return {
        "whole_s": time.time() - born,
        "import_s": import_s,
        "cpu_s": sum(os.times()[:2]),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cached": run.ledger.cached,
        "commits": run.catalog.snapshot().versions != before,
    }


def verdict(is_met: bool, goal: str) -> str:  # noqa: FBT001  it is what is printed
    """Return what to print beside a figure that has a goal."""
    return f"   goal {goal}: {'met' if is_met else 'MISSED'}"


if __name__ == "__main__":
    main()
