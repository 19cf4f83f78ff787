"""How fast the page answers over a catalog of a million clips.

Makes the catalog (`listing_catalog.py`) with a ledger and a quarantine of 100,000 rows, starts
`stillhouse page` on one core, and asks from another at a fixed rate, whether answers have come or
not: a slow answer delays nobody's question, and its wait counts. First paint is asked of Chromium
where it is. Goals: p95 150 ms at 20 requests/s, first paint 300 ms.

    python tests/bench/bench_page.py --clips 1000000
    python tests/bench/bench_page.py --home .stillhouse      # a home that is there
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
import psutil
from listing_catalog import filled, make_catalog

from catalog.datafile import write_file
from catalog.query import run
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.runs import RUNS
from catalog.store import Catalog
from infra.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings

RATE, SECONDS = 20.0, 30.0
GOAL_P95_MS, GOAL_PAINT_MS = 150, 300
CHROMIUM = "/usr/bin/chromium"


def main() -> None:
    """Print how long pages take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="measure this home instead of a made one")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    os.environ.setdefault("DO_NOT_TRACK", "1")
    if asked.home:
        measure(load_settings(asked.home), asked.rate, asked.seconds)
        return
    with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
        settings = load_settings(Path(folder) / "home")
        started = time.perf_counter()
        make(settings, Path(folder) / "archive", asked.clips // 2)
        print(f"{asked.clips:,} clips made in {time.perf_counter() - started:.0f} s")
        measure(settings, asked.rate, asked.seconds)


def make(settings: Settings, archive: Path, recordings: int) -> None:
    """Make the catalog: two clips a recording, which is a session of one camera."""
    make_catalog(settings, archive, recordings)
    catalog, count = Catalog(settings.catalog), 100_000
    reasons = ["not_a_video", "decode_timeout", "limit_pixels", "empty_file"]
    refused = {
        "item_id": [f"f{k}" for k in range(count)],
        "stage": ["ingest"] * count,
        "reason": [reasons[k % 4] for k in range(count)],
        "detail": [f"the evidence of number {k}" for k in range(count)],
        "member": [f"day/bad{k:06}.mp4" for k in range(count)],
        "seen_ns": [k * 1_000_000_000 for k in range(count)],
    }
    ledger = {
        "flow_run_id": [f"run{k}" for k in range(2000)],
        "flow": ["ingest"] * 2000,
        "status": ["done"] * 2000,
        "inputs": [9] * 2000,
        "done": [9] * 2000,
        "started_ns": [k * 1_000_000_000 for k in range(2000)],
    }
    with catalog.locked():
        for table, columns in ((QUARANTINE, refused), (RUNS, ledger)):
            written = [write_file(table, filled(table, columns), catalog.uri)]
            catalog._add(table, catalog._log(table), written, 0)


def measure(settings: Settings, rate: float, seconds: float) -> None:
    """Start the page on one core, ask it, print."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "flows.cli", "--home", str(settings.root), "page"]
    started = time.perf_counter()
    with subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        try:
            os.sched_setaffinity(server.pid, {cores[0]})
            os.sched_setaffinity(0, {cores[-1]})
            assert server.stderr is not None
            base = server.stderr.readline().split()[0].rstrip("/")
            listening_s = time.perf_counter() - started
            # Somebody has to take what else it says, or it would wait for that.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            with httpx.Client(base_url=base, timeout=120) as client:
                client.get("/").raise_for_status()
            first_s = time.perf_counter() - started
            print(f"listens after {listening_s:.1f} s, first page after {first_s:.1f} s")
            paths = addresses(settings)
            process = psutil.Process(server.pid)
            before = sum(process.cpu_times()[:2])
            found = ask(base, paths, rate, seconds)
            spent_ms = (sum(process.cpu_times()[:2]) - before) / len(found) * 1e3
            report(found)
            # What a busy machine does not change: how much of its core the server used.
            print(f"{spent_ms:.0f} ms of CPU a page: {spent_ms * rate / 10:.0f} % of one core")
            memory = process.memory_info().rss
            print(f"memory {memory / 2**20:,.0f} MiB, load average {os.getloadavg()[0]:.1f}")
            paint(base, paths)
        finally:
            os.sched_setaffinity(0, cores)
            server.terminate()


def addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield kinds of pages and addresses of them, drawn as people browse, without end."""
    snapshot = Catalog(settings.catalog).snapshot()
    drawn = run(
        snapshot,
        "select clip_id, session_id, count(*) over () as clips from current_clips "
        "using sample reservoir(500 rows) repeatable (1)",
    ).to_pylist()
    sessions = run(snapshot, "select count(*) as n from current_sessions")["n"][0].as_py()
    names = run(
        snapshot, "select name from current_sessions using sample reservoir(50 rows) repeatable (1)"
    )["name"].to_pylist()
    draw = random.Random(0)
    last = max(1, sessions // 25)
    while True:
        one = draw.choice(drawn)
        yield "overview", "/"
        yield "list, any page", f"/sessions?page={draw.randint(1, last)}"
        yield "list, filtered", f"/sessions?q={draw.choice(names)[-6:]}&split=train"
        yield "list, filter all pass", f"/sessions?split=train&page={draw.randint(1, last)}"
        yield "session", f"/sessions/{one['session_id']}"
        yield "clip", f"/clips/{one['clip_id']}"
        yield "quarantine", f"/quarantine?page={draw.randint(1, 4000)}"
        yield "runs", f"/runs?page={draw.randint(1, 80)}"


def ask(
    base: str, paths: Iterator[tuple[str, str]], rate: float, seconds: float
) -> list[tuple[str, float]]:
    """Ask at a fixed rate; return each kind and its ms from when it was due to its last byte."""
    found: list[tuple[str, float]] = []
    threads = []
    with httpx.Client(base_url=base, timeout=60) as client:

        def one(kind: str, path: str, due: float) -> None:
            answer = client.get(path)
            answer.raise_for_status()
            found.append((kind, (time.perf_counter() - due) * 1e3))

        # Drawn before the clock runs: the first address takes seconds of SQL.
        drawn = [next(paths) for _ in range(int(rate * seconds))]
        begin = time.perf_counter() + 0.1
        for number, (kind, path) in enumerate(drawn):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            thread = threading.Thread(target=one, args=(kind, path, due))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
    if len(found) != len(threads):
        raise RuntimeError(f"{len(threads) - len(found)} requests failed")
    return found


def report(found: list[tuple[str, float]]) -> None:
    """Print the table."""
    print(f"{'page':24}{'asked':>7}{'median ms':>11}{'p95 ms':>9}{'worst ms':>10}")
    kinds = dict.fromkeys(kind for kind, _ in found)
    for kind in kinds:
        _line(kind, [ms for name, ms in found if name == kind])
    p95 = _line("all", [ms for _, ms in found])
    print(f"goal p95 {GOAL_P95_MS} ms: {'met' if p95 <= GOAL_P95_MS else 'MISSED'}")


def _line(kind: str, times: list[float]) -> float:
    ranked = sorted(times)
    p95 = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
    print(f"{kind:24}{len(ranked):>7}{median(ranked):>11.0f}{p95:>9.0f}{ranked[-1]:>10.0f}")
    return p95


def paint(base: str, paths: Iterator[tuple[str, str]]) -> None:
    """Print the first contentful paint of some pages in Chromium, if it is here."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("first paint: not measured, no playwright here")
        return
    if not Path(CHROMIUM).exists():
        print("first paint: not measured, no Chromium here")
        return
    script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
    times: dict[str, list[float]] = {}
    with (
        sync_playwright() as play,
        play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        for _ in range(5):
            for _ in range(8):
                kind, path = next(paths)
                page = browser.new_page()
                page.goto(f"{base}{path}", wait_until="load")
                page.wait_for_function(f"() => ({script}) > 0", timeout=10_000)
                times.setdefault(kind, []).append(page.evaluate(script))
                page.close()
    for kind, found in times.items():
        print(f"first paint {kind:24}{median(found):>8.0f} ms, worst {max(found):.0f}")
    worst = max(median(found) for found in times.values())
    print(f"goal first paint {GOAL_PAINT_MS} ms: {'met' if worst <= GOAL_PAINT_MS else 'MISSED'}")


if __name__ == "__main__":
    main()
