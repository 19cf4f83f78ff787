"""One engine does the sampling job in a process of its own and says what it took.

`python tests/bench/ingest_engines.py ENGINE CLIPS.json FOLDER CPUS` starts the engine, samples the
clips of the list into Parquet files below the folder, and prints one JSON line. Every engine is
written as its own documentation would write the job; how many clips it takes at a time is equal.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from bench_road import BusyCpu
from sampling_job import SAMPLES, Clip, Sampler, digest, naive_rows, write_rows

from infra.observability import PeakMemory
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[list[Clip], Path], None]

# Clips an engine takes at a time: a second or two of work.
BATCH = 8


def batches(clips: list[Clip]) -> list[list[Clip]]:
    """Cut the list."""
    return [clips[k : k + BATCH] for k in range(0, len(clips), BATCH)]


def ffmpeg_binary() -> str | None:
    """Return where an ffmpeg is: the system's, or the one of imageio-ffmpeg."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg_to_null(binary: str, path: str) -> None:
    """Decode a file on one thread to nothing."""
    command = [binary, "-v", "error", "-threads", "1", "-i", path, "-an", "-f", "null", "-"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@contextmanager
def pyav(cpus: int) -> Iterator[Run]:
    """Bare PyAV: a loop in a thread per core, and nothing around it."""
    with ThreadPoolExecutor(cpus) as threads:

        def one(out: Path, numbered: tuple[int, list[Clip]]) -> None:
            found = [row for clip in numbered[1] for row in naive_rows(clip.path)]
            write_rows(found, out / f"{numbered[0]}.parquet")

        def run(clips: list[Clip], out: Path) -> None:
            list(threads.map(partial(one, out), enumerate(batches(clips))))

        yield run


@contextmanager
def ffmpeg(cpus: int) -> Iterator[Run]:
    """Decode only, to nothing: a process a clip, as many at a time as there are cores."""
    binary = ffmpeg_binary() or "ffmpeg"
    with ThreadPoolExecutor(cpus) as threads:

        def run(clips: list[Clip], out: Path) -> None:  # noqa: ARG001  it writes nothing
            list(threads.map(partial(ffmpeg_to_null, binary), [clip.path for clip in clips]))

        yield run


@contextmanager
def ours(cpus: int, *, plan: bool) -> Iterator[Run]:
    """Our engine: one actor with a thread per core, which writes its files itself."""
    from tempfile import TemporaryDirectory

    from infra.ray_cluster import Finished, cluster, map_batches

    with TemporaryDirectory() as home:
        settings = Settings(home=Path(home), cpus=cpus)
        with cluster(settings):

            def run(clips: list[Clip], out: Path) -> None:
                for outcome in map_batches(
                    partial(Sampler, plan=plan),
                    (str(out),),
                    batches(clips),
                    actors=1,
                    cpus_per_actor=cpus,
                    threads=cpus,
                ):
                    assert isinstance(outcome, Finished)

            yield run


@contextmanager
def ray_data(cpus: int) -> Iterator[Run]:
    """Ray Data: `map_batches` over the paths, then `write_parquet`."""
    import pyarrow as pa
    import ray

    def sampled(batch: dict[str, Any]) -> pa.Table:
        found = [row for path in batch["path"] for row in naive_rows(str(path))]
        return pa.Table.from_pylist(found, schema=SAMPLES.schema)

    ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False

    def run(clips: list[Clip], out: Path) -> None:
        items = [{"path": clip.path} for clip in clips]
        dataset = ray.data.from_items(items).map_batches(sampled, batch_size=BATCH)
        dataset.write_parquet(str(out))

    yield run
    ray.shutdown()


@contextmanager
def daft(cpus: int) -> Iterator[Run]:  # noqa: ARG001  it takes every core it finds
    """Daft: a generator function over the paths, then `write_parquet`."""
    import daft as engine

    kinds = engine.DataType
    row = kinds.struct(
        {
            "clip": kinds.string(),
            "t_ns": kinds.int64(),
            "luma": kinds.binary(),
            "dhash": kinds.int64(),
            "histogram": kinds.list(kinds.int32()),
            "is_cut": kinds.bool(),
        }
    )

    @engine.func(return_dtype=row, unnest=True)
    def sampled(path: str) -> Iterator[dict[str, Any]]:
        yield from naive_rows(path)

    def run(clips: list[Clip], out: Path) -> None:
        # Without batches the whole list is one piece, and one thread has it all.
        paths = engine.from_pydict({"path": [clip.path for clip in clips]}).into_batches(BATCH)
        paths.select(sampled(paths["path"])).write_parquet(str(out), compression="zstd")

    yield run


ENGINES = {
    "bare PyAV": pyav,
    "ours, all frames": partial(ours, plan=False),
    "ours, by plan": partial(ours, plan=True),
    "Ray Data": ray_data,
    "Daft": daft,
    "ffmpeg to null": ffmpeg,
}


def main() -> None:
    """Run one engine: a first clip from nothing, one clip more, then all; print what they took."""
    name, manifest, folder, cpus = sys.argv[1:]
    clips = [Clip(**one) for one in json.loads(Path(manifest).read_text("utf-8"))]
    born = psutil.Process().create_time()
    # Processes that are waited for are the system's to count, most of them end between samples;
    # those of Ray are not waited for.
    spent = (lambda: sum(os.times()[:4])) if name.startswith("ffmpeg") else BusyCpu().seconds
    with PeakMemory() as memory, ENGINES[name](int(cpus)) as run:
        marks = []
        for part, chosen in (("cold", clips[:1]), ("warm", clips[:1]), ("job", clips)):
            out = Path(folder) / part
            out.mkdir(parents=True)
            before, started = spent(), time.perf_counter()
            run(chosen, out)
            marks.append((time.perf_counter() - started, spent() - before))
            if part == "cold":
                start_s = time.time() - born
        peak = memory.peak_rss_bytes
    rows, content = (0, "") if name.startswith("ffmpeg") else digest(Path(folder) / "job")
    (_, (warm_s, warm_cpu), (job_s, job_cpu)) = marks
    print(
        json.dumps(
            {
                "start_s": start_s,
                "job_s": job_s - warm_s,
                "job_cpu_s": job_cpu - warm_cpu,
                "peak_bytes": peak,
                "rows": rows,
                "digest": content,
            }
        )
    )


if __name__ == "__main__":
    os.environ |= {"DAFT_ANALYTICS_ENABLED": "0", "DAFT_PROGRESS_BAR": "0"}
    Settings().prepare_process()
    main()
