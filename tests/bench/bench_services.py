"""What a server costs and spares: `python tests/bench/bench_services.py`.

Starts a Prefect server of its own in a temporary home, deploys everything to it (twice: the second
time all is there), and runs the flow `quality` over an empty catalog, which does next to nothing:
what it takes is start-up. Embedded, in a new home and again, beside the running server; imports
apart. Prints each beside its goal.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.prefect_server import own_server
from infra.settings import Settings

ROOT = Path(__file__).parents[2]
ROUNDS = 3
DEPLOY_GOAL_S, EMBEDDED_GOAL_S, SERVER_GOAL_S = 60, 15, 3
PORT = 42731
FLOW = """
import json, sys, time
began = time.perf_counter()
from infra.settings import load_settings
settings = load_settings(sys.argv[1])
settings.prepare_process()
settings.prepare_home()
from flows.scheduled import quality
imported = time.perf_counter()
quality(home=sys.argv[1])
first = time.perf_counter()
quality(home=sys.argv[1])
print(json.dumps([imported - began, first - imported, time.perf_counter() - first]))
"""


def run(arguments: list[str], url: str | None) -> tuple[float, str]:
    """Run Python with a server or without; return wall seconds and what it printed."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW"))}
    given = {"PYTHONPATH": str(ROOT)} | ({"PREFECT_API_URL": url} if url else {})
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=outside | given,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return time.perf_counter() - began, done.stdout


def started(home: Path, url: str | None) -> list[float]:
    """Return the seconds of imports, the first flow of a process, and the second."""
    _, said = run(["-c", FLOW, str(home)], url)
    found: list[float] = json.loads(said.splitlines()[-1])
    return found


def line(what: str, seconds: float, goal: float | None = None) -> None:
    """Print one number, and whether it is within its goal."""
    verdict = (
        "" if goal is None else f"  (goal {goal:g}: {'met' if seconds <= goal else 'NOT MET'})"
    )
    print(f"  {what:<44}{seconds:6.1f} s{verdict}")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        home = Path(folder) / "embedded"
        new, again = started(home, None), [started(home, None) for _ in range(ROUNDS)]
        settings = Settings(home=Path(folder) / "server")
        began = time.perf_counter()
        with own_server(settings, PORT) as url:
            server_s = time.perf_counter() - began
            words = ["-m", "flows.cli", "--home", str(settings.root), "deploy", "--json"]
            deploys = [run(words, url) for _ in range(2)]
            beside = [started(settings.root, url) for _ in range(ROUNDS)]
    count = len(json.loads(deploys[0][1].splitlines()[-1])["deployments"])
    print(f"start-up, {os.cpu_count()} cores, medians of {ROUNDS}")
    line("imports of every flow, apart", statistics.median(one[0] for one in beside))
    line("first flow of a process, embedded, new home", new[1], EMBEDDED_GOAL_S)
    middle = statistics.median(one[1] for one in again)
    line("  the same, a home that has its database", middle, EMBEDDED_GOAL_S)
    middle = statistics.median(one[1] for one in beside)
    line("first flow of a process, running server", middle, SERVER_GOAL_S)
    line("  the next flow of that process", statistics.median(one[2] for one in beside))
    line("Prefect server until it answers", server_s)
    line(f"stillhouse deploy, {count} deployments", deploys[0][0], DEPLOY_GOAL_S)
    line("  again", deploys[1][0], DEPLOY_GOAL_S)


if __name__ == "__main__":
    main()
