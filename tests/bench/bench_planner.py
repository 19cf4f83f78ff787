"""How long the plan of a reindex takes over ten million clips, and how much memory.

Makes a catalog and nothing else (`planner_catalog.py` says how it is simulated) and a distiller
that nothing trained, then runs `stillhouse reindex --dry-run` on it, in a process of its own each
time: first with nothing kept of earlier plans, then again, as every plan after an extract finds
it. What it prints is held against the arithmetic of the made catalog. Goals: 30 s and 4 GiB.

    python tests/bench/bench_planner.py --clips 10000000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from planner_catalog import make_catalog, truth_of

GOAL_S, GOAL_GIB = 30, 4
MODEL = "distiller"


def main() -> None:
    """Print seconds and peak memory of the planner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where it is made and stays; else temporary")
    asked = parser.parse_args()
    if asked.folder:
        bench(asked.folder, asked.clips)
        return
    with tempfile.TemporaryDirectory(prefix="bench-planner-") as folder:
        bench(Path(folder), asked.clips)


def bench(folder: Path, clips: int) -> None:
    """Make the home in a folder, unless it is there, and measure."""
    home = folder / "home"
    if not (folder / "made").exists():
        started = time.perf_counter()
        # In a process of its own: the memory of making is not that of planning.
        command = [sys.executable, __file__, "--clips", str(clips), "--folder", str(folder)]
        if not os.environ.get("PLANNER_MAKES"):
            subprocess.run(command, check=True, env=os.environ | {"PLANNER_MAKES": "1"})
            print(f"{clips:,} clips made in {time.perf_counter() - started:.0f} s", flush=True)
        else:
            make(home, clips)
            (folder / "made").touch()
            return
    for turn in ("nothing kept", "kept keys"):
        plan(home, clips, turn)


def make(home: Path, clips: int) -> None:
    """Make the home."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from registered_distillers import register_distiller

    from catalog.ids import digest
    from infra import registry
    from infra.settings import load_settings
    from tasks.codes.coding import Coding
    from tasks.codes.presets import reading_of
    from tasks.views.current import view_versions
    from tasks.windows.reader import WindowSpec

    settings = load_settings(home)
    settings.prepare_process()
    settings.prepare_home()
    register_distiller(settings, home / "net", seed=1)
    model = registry.champion(settings, MODEL)
    reading = reading_of(model)
    views = view_versions(WindowSpec(tensors=reading.tensors).views, settings)
    from models.precision import precision_of

    coding = Coding(model, views, reading.steps, precision_of(bf16=reading.bf16), reading.tensors)
    old = {
        **coding.parts,
        "model": MODEL,
        "model_version": 0,
        "model_digest": "another",
        "version": digest("old")[:16],
        "chosen_ns": 1,
        "flow_run_id": "r",
    }
    make_catalog(settings.catalog, clips, views, MODEL, coding.version, old, settings.cpus)


def plan(home: Path, clips: int, turn: str) -> None:
    """Run the planner once and print what it took."""
    command = [sys.executable, "-m", "flows.cli", "--home", str(home)]
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = subprocess.run(
        [*command, "reindex", "--dry-run", "--json"], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    peak = used.ru_maxrss / 2**20
    told, truth = json.loads(found.stdout.splitlines()[-1]), truth_of(clips)
    print(json.dumps(told))
    mine = {"clips": truth.clips, "current": truth.cached, "refused_before": truth.refused}
    mine |= {"pending": truth.pending, "to_encode": truth.to_encode}
    wrong = {name: (told[name], is_so) for name, is_so in mine.items() if told[name] != is_so}
    if wrong:
        raise RuntimeError(f"the plan is wrong: {wrong}")
    met = "met" if seconds <= GOAL_S and peak <= GOAL_GIB else "MISSED"
    print(
        f"{turn:14}{seconds:8.1f} s {spent:8.1f} s of CPU {peak:7.2f} GiB   goal {met}", flush=True
    )


if __name__ == "__main__":
    main()
