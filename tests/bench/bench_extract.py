"""What extraction costs: `python tests/bench/bench_extract.py`.

Real footage, coded as 720p H.264 once below `home/bench` (a minute); every table is of one run.

1. The worker bare in this process, one thread: CPU per grid step by stage, beside ffmpeg that only
   decodes the same file, and hours of 720p video per core-hour on the 12.5 Hz grid; the same at
   2 frames/s without the views of people.
2. Two threads against one.
3. The flow with Prefect and Ray beside the same worker bare with as many threads: start-up apart.
4. Memory of a worker, and of one that reads a recording ten times as long.
5. Bytes per camera-second by view, and how fast windows are read back.
"""

from __future__ import annotations

import platform
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
from bench_ingest import cpu_model
from bench_road import BusyCpu, WorkerMemory
from extract_material import SECONDS, long_recording, recordings, short_recording, take
from ingest_engines import ffmpeg_binary, ffmpeg_to_null

from catalog.query import run as asked_sql
from catalog.store import Catalog
from infra import assets, registry
from infra.settings import Settings, load_settings
from tasks.sample import SAMPLE_ASSETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.extraction.plan import FeaturePlan

ROUNDS = 3
NS = 1e9
OF_PEOPLE = ("skeleton", "silhouette", "tracks")


def main() -> None:
    """Print the tables."""
    settings = load_settings()
    settings.prepare_process()
    cv2.setNumThreads(1)  # as in a worker
    settings.prepare_home()
    assets.fetch(SAMPLE_ASSETS, settings.assets)
    print(f"{cpu_model()}, {settings.cpus} cores, Python {platform.python_version()}")
    if not registry.champion_digest(settings, "depth"):
        print("no depth network is promoted in this home, depth is left out:", end=" ")
        print("stillhouse distill --model depth; stillhouse promote depth")
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        homes = Homes(Path(folder), settings)
        found = recordings(settings)
        for name, archive in found.items():
            stages(f"720p, {name}", homes.ingested(archive), archive)
        stages("four cameras, 1080 x 1920 at 60", homes.ingested(take(settings)), None)
        sparse(homes.ingested(found["nobody"], grid_step_ns=500_000_000), found["nobody"])
        both = homes.ingested(*found.values())
        scaling(both)
        engine(homes, both, list(found.values()), short_recording(settings))
        memory(homes, found["person"], long_recording(settings))
        storage(homes.ingested(found["person"], name="stored"))


class Homes:
    """Makes homes in which an archive is ingested and nothing is extracted yet."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings, self._count = folder, settings, 0

    def ingested(self, *archives: Path, name: str = "home", **given: int) -> Settings:
        """Return the settings of a new home."""
        from flows.ingest import ingest

        self._count += 1
        home = self._folder / f"{name}{self._count}"
        home.mkdir()
        (home / "assets").symlink_to(self._settings.assets)
        # The depth network that is promoted there, if one is.
        if (self._settings.root / "mlflow").exists():
            (home / "mlflow").symlink_to(self._settings.root / "mlflow")
        settings = Settings(home=home, **given)
        settings.prepare_home()
        for archive in archives:
            ingest(str(archive), str(home))
        return settings


def planned(
    settings: Settings,
    without: tuple[str, ...] = (),
    clock: Callable[[], float] = time.thread_time,
) -> tuple[FeaturePlan, Any]:
    """Return what is to be extracted, and a worker that has loaded its views."""
    from tasks.extraction.extractor import Extractor
    from tasks.extraction.features import prepared
    from tasks.extraction.plan import plan_features
    from tasks.runs.record import FlowRun
    from tasks.views.catalogue import RIG_VIEWS, VIEWS

    names = [name for name in (*VIEWS, *RIG_VIEWS) if name not in without] if without else ()
    plan = plan_features.fn(names, FlowRun("bench", settings))
    return plan, Extractor(settings, "bench", prepared(plan.versions, settings), clock)


def batches_of(plan: FeaturePlan, size: int) -> list[Any]:
    """Return the work in batches."""
    from tasks.extraction.features import batches

    return list(batches(plan.work, size))


def stages(title: str, settings: Settings, archive: Path | None) -> None:
    """Print CPU by stage on one thread, beside ffmpeg that only decodes."""
    plan, extractor = planned(settings, clock=time.process_time)
    work = batches_of(plan, settings.batch_clips)
    seconds = sum(clip.clip.span.duration_ns for clip in plan.work) / NS
    extractor.run(work[0][:1])  # warm
    cpu, total = {}, []
    for _ in range(ROUNDS):
        before = time.process_time()
        found = [extractor.run(batch) for batch in work]
        total.append(time.process_time() - before)
        for one in found:
            for name, spent in one.cpu_seconds.items():
                cpu.setdefault(name, []).append(spent)
    steps = sum(one.frames_wanted for one in found)
    each = {name: sum(spent) / ROUNDS for name, spent in cpu.items() if name != "load"}
    rate = seconds / median(total)
    print(f"\n{title}: {seconds:.0f} camera-seconds, {steps} steps, one thread")
    print(f"  {'stage':14}{'ms a step':>10}{'share':>8}")
    for name, spent in sorted(each.items(), key=lambda one: -one[1]):
        print(f"  {name:14}{1e3 * spent / steps:10.2f}{spent / sum(each.values()):8.0%}")
    print(f"  {'all':14}{1e3 * median(total) / steps:10.2f}")
    bare = None if archive is None else ffmpeg_seconds(archive)
    if bare is not None:
        print(f"  decode and scale cost {each['decode'] / bare:.2f} x ffmpeg to null", end="")
        print(f", all {median(total) / bare:.2f} x")
    if archive is not None:
        print(f"  {rate:.1f} hours of video per core-hour  ({verdict(rate, 5)})")


def ffmpeg_seconds(archive: Path) -> float | None:
    """Return the CPU seconds in which ffmpeg decodes a recording and throws it away, if it can."""
    binary = ffmpeg_binary()
    if not binary:
        return None
    spent = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ffmpeg_to_null(binary, str(archive / "recording.mp4"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(spent)


def sparse(settings: Settings, archive: Path) -> None:
    """Print the rate at 2 frames/s without the views of people, beside decoding everything."""
    plan, extractor = planned(settings, OF_PEOPLE)
    work = batches_of(plan, settings.batch_clips)
    extractor.run(work[0][:1])
    spent = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for batch in work:
            extractor.run(batch)
        spent.append(time.process_time() - before)
    seconds = sum(clip.clip.span.duration_ns for clip in plan.work) / NS
    rate = seconds / median(spent)
    print("\n720p at 2 frames/s without the views of people:", end=" ")
    print(f"{rate:.1f} hours per core-hour  ({verdict(rate, 12)})")
    bare = ffmpeg_seconds(archive)
    if bare is not None:
        ratio = bare / median(spent)
        print(f"  ffmpeg to null decodes {seconds / bare:.1f}: {ratio:.2f} x", end="")
        print(f"  ({verdict(ratio, 0.9)})")


def scaling(settings: Settings) -> None:
    """Print the wall time of two threads against one."""
    plan, extractor = planned(settings)
    # Thirty clips one by one: of fifteen pairs one thread would have eight, 1.88 x at the most.
    work = batches_of(plan, 1)
    extractor.run(work[0][:1])
    walls: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for threads, found in walls.items():
            started = time.perf_counter()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(extractor.run, work))
            found.append(time.perf_counter() - started)
    ratio = median(walls[1]) / median(walls[2])
    print(f"\ntwo threads against one: {ratio:.2f} x  ({verdict(ratio, 1.8)})")


def engine(homes: Homes, bare: Settings, archives: list[Path], short: Path) -> None:
    """Print the flow beside the bare worker with the same threads."""
    from flows.extract import extract

    plan, extractor = planned(bare)
    work = batches_of(plan, bare.batch_clips)
    extractor.run(work[0][:1])
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(bare.cpus) as pool:
        found = list(pool.map(extractor.run, work))
    bare_wall, bare_cpu = time.perf_counter() - started, time.process_time() - cpu
    # Networks run on threads of their own: the process's CPU has them, a thread's has not.
    kernels = bare_cpu - sum(one.cpu_seconds["write"] for one in found)
    # Prefect and Ray are up after a first run; what one clip takes then is the actor's start.
    for _ in range(2):
        home = homes.ingested(short).home
        started = time.perf_counter()
        extract((), str(home))
        start_s = time.perf_counter() - started
    settings = homes.ingested(*archives)
    busy = BusyCpu()
    before, started = busy.seconds(), time.perf_counter()
    report = extract((), str(settings.home))
    wall, spent = time.perf_counter() - started, busy.seconds() - before
    spent -= report["cpu_load_s"]
    print(f"\nthe flow beside the same worker bare, {bare.cpus} threads")
    print(f"  wall: flow {wall:.1f} s, of one clip {start_s:.1f} s, bare {bare_wall:.1f} s")
    share = kernels / spent
    print(f"  busy CPU in decode and kernels, loading apart: {share:.0%}  ({verdict(share, 0.85)})")
    ratio = (wall - start_s) / bare_wall
    print(f"  wall less that of one clip / the same bare: {ratio:.2f}  ({verdict(-ratio, -1.15)})")


def memory(homes: Homes, short: Path, long: Path) -> None:
    """Print the peak memory of the flow's worker on a recording, and on one ten times as long."""
    from flows.extract import extract

    gib = []
    for archive in (short, long):
        home = homes.ingested(archive).home
        with WorkerMemory() as watched:
            extract((), str(home))
        gib.append(watched.peak / 2**30)
    print(f"\npeak memory of a worker with two threads: {gib[0]:.2f} GiB", end="")
    print(f", recording ten times as long: {gib[1]:.2f} GiB  ({verdict(-gib[1], -1.5)})")


def storage(settings: Settings) -> None:
    """Print what the store takes and how fast it is read as windows."""
    from flows.extract import extract
    from tasks.views.current import view_versions
    from tasks.windows.reader import WindowReader, WindowSpec

    extract((), str(settings.home))
    snapshot = Catalog(settings.catalog).snapshot()
    print("\nfeature store, KB per camera-second as stored (zstd)")
    total = 0.0
    for view, size in stored(settings):
        print(f"  {view:14}{size / 1e3 / SECONDS:8.1f}")
        if view in ("flow", "silhouette", "skeleton", "depth"):
            total += size / 1e3 / SECONDS
    print(f"  flow + silhouette + skeleton + depth: {total:.1f} KB  ({verdict(-total, -40)})")
    split = "train"
    if not asked_sql(snapshot, "select 1 from current_clips where split = 'train'").num_rows:
        split = "heldout"
    reader = WindowReader(
        snapshot,
        WindowSpec(),
        split=split,
        versions=view_versions((), settings),
        step_ns=settings.grid_step_ns,
        batch=8,
    )
    seconds, started = 0.0, time.process_time()
    for _ in range(ROUNDS):
        for batch in reader.read():
            known = batch.tensors["t_ns"].any(axis=2).sum()
            seconds += float(known) * WindowSpec().steps * settings.grid_step_ns / NS
    rate = seconds / (time.process_time() - started)
    print(f"windows of all tensors: {rate:.0f} x real time per core  ({verdict(rate, 20)})")


def stored(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield each view and the bytes of its files."""
    for folder in sorted((Path(settings.catalog) / "features").glob("view=*")):
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        yield folder.name.removeprefix("view="), size


def verdict(value: float, goal: float) -> str:
    """Return the goal and whether it is met; negative where less is better."""
    return f"goal {abs(goal):g}: {'met' if value >= goal else 'NOT MET'}"


if __name__ == "__main__":
    main()
