"""What generation costs: `bench_generate.py`; reads nothing, makes its own small recordings.

1. Super-resolution 112 -> 224 px, ms a frame on one core (goal 25), beside its peers.
2. The whole path, decode -> model -> encode, 288 x 160 -> 576 x 320: each stage alone, one after
   the other, and as it is made, a thread each. Its speed over that of the slowest stage alone
   (goal .8); of two workers over one (goal 1.8); the peak of memory of clips of unlike length.
3. 1080p -> x2: peak of memory and time of a step, whole and in bands, and how they differ.

The clock and the CPU time are both told: on a busy machine only the second means much.
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
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from bench_ingest import cpu_model
from superresolution_peers import MULTI, peers

from catalog.span import SECOND_NS, Span
from models import weights
from models.precision import cpu_precision
from models.superresolution import SuperResolution
from tasks.applications.super_resolution import SuperResolve
from tasks.applications.super_resolution_maker import BAND, SuperResolutionMaker
from tasks.clocks.clock import CameraClock
from tasks.decode import Scale, frames
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.mux import write_video
from tasks.recordings.sources import ClipSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

RATE, SIZE = 25, (288, 160)
SHORT, LONG, LONGEST = 25, 100, 400
PARTS = ("frames", "path", "workers", "lengths", "large")
GOAL_MS, GOAL_PATH, GOAL_WORKERS = 25.0, 0.8, 1.8


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if given.memory:
        print(json.dumps(MEMORY[given.memory[0]](given.memory[1])))
        return
    load = os.getloadavg()[0]
    print(f"{cpu_model()}, {os.cpu_count()} cores, load {load:.1f}, {cpu_precision()}")
    with tempfile.TemporaryDirectory(prefix="stillhouse-generate-") as folder:
        weights.save(Path(folder) / "model", SuperResolution())
        for part in given.parts:
            {
                "frames": print_frames,
                "path": print_path,
                "workers": print_workers,
                "lengths": print_lengths,
                "large": print_large,
            }[part](Path(folder))


def print_frames(_: Path) -> None:
    """Time one frame of 112 px of each network."""
    print(f"\n112 -> 224 px, one thread, ms a frame (goal {GOAL_MS:g})")
    print(f"  {'':14}{'fp32 clock':>12}{'fp32 CPU':>12}{'bf16 clock':>12}{'bf16 CPU':>12}")
    video = torch.rand(24, 3, 112, 112)
    for name, net in peers(2).items():
        net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub
        numbers = []
        for precision in ("fp32", "bf16"):
            made = net.stream(video, precision=precision)  # type: ignore[arg-type]  # of the two
            clocks, cpus = [], []
            for _ in range(len(video)):
                started = time.perf_counter(), time.process_time()
                next(made)
                clocks.append(time.perf_counter() - started[0])
                cpus.append(time.process_time() - started[1])
            numbers += [median(clocks[4:]), median(cpus[4:])]
        print(f"  {name:14}" + "".join(f"{1e3 * n:12.1f}" for n in numbers), flush=True)
    print(f"  ({MULTI} without its matching, which eval_superresolution.py times)")


def print_path(folder: Path) -> None:
    """Time each stage of a video alone, and all of them."""
    asked = request(folder, "path", LONG)
    clip = asked.sources[0].clip
    scale = (Scale("frame", *SIZE, "rgb24"),)

    def decoded() -> Iterator[Pixels]:
        for one in frames(clip.source, clip.recording_span, scale, start_pts=clip.start_pts):
            yield one.images["frame"]

    small = [torch.from_numpy(p).permute(2, 0, 1).float() / 255 for p in decoded()]
    net = weights.load(folder / "model")
    large = [np.repeat(np.repeat(p, 2, axis=0), 2, axis=1) for p in decoded()]
    maker = SuperResolutionMaker(str(folder / "model"), SuperResolve())

    def modelled() -> None:
        for _ in net.stream(small, precision=cpu_precision()):  # type: ignore[operator]  # it has one
            pass

    def encoded() -> None:
        write_video(folder / "alone.mp4", large, rate=RATE)

    print(f"\n{SIZE[0]}x{SIZE[1]} -> x2, {LONG} frames, ms a frame")
    alone = {
        "decode": timed(lambda: list(decoded())),
        "model": timed(modelled),
        "encode": timed(encoded),
    }
    for name, (clock, cpu) in alone.items():
        print(f"  {name + ' alone':22}{clock / LONG * 1e3:8.1f} clock{cpu / LONG * 1e3:8.1f} CPU")
    clock, cpu = timed(lambda: maker.make(asked))
    slowest = max(one for one, _ in alone.values())
    ratio, ideal = slowest / clock, sum(one for one, _ in alone.values())
    print(f"  {'one after the other':22}{ideal / LONG * 1e3:8.1f} clock (sum of the above)")
    print(f"  {'as it is made':22}{clock / LONG * 1e3:8.1f} clock{cpu / LONG * 1e3:8.1f} CPU")
    print(f"  slowest stage alone / as it is made: {ratio:.2f} (goal {GOAL_PATH})", flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the clock and of CPU, of the faster of two rounds."""
    found = []
    for _ in range(2):
        started = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return min(found)


def print_workers(folder: Path) -> None:
    """Make the same eight clips in one process and in two."""
    asked = [request(folder, f"clip-{k}", SHORT) for k in range(8)]
    seconds = {}
    for workers in (1, 2):
        with ProcessPoolExecutor(
            workers, get_context("spawn"), _begin, (str(folder / "model"),)
        ) as pool:
            list(pool.map(_make, asked[:workers] * 2))
            started = time.perf_counter()
            list(pool.map(_make, asked))
            seconds[workers] = time.perf_counter() - started
    ratio = seconds[1] / seconds[2]
    print(f"\n8 clips: one worker {seconds[1]:.1f} s, two {seconds[2]:.1f} s, ", end="")
    print(f"{ratio:.2f} x (goal {GOAL_WORKERS})", flush=True)


_HELD: dict[str, SuperResolutionMaker] = {}


def _begin(model: str) -> None:
    torch.set_num_threads(1)
    _HELD["maker"] = SuperResolutionMaker(model, SuperResolve())


def _make(asked: Request) -> None:
    _HELD["maker"].make(asked)


def print_lengths(folder: Path) -> None:
    """Measure the peak of memory of processes that make a short and a long clip."""
    found = {}
    for count in (LONG, LONGEST):
        request(folder, f"length-{count}", count)
        found[count] = in_a_process("length", f"{folder}:{count}")["peak"]
    grown = found[LONGEST] - found[LONG]
    print(
        f"\npeak RSS: {found[LONG]:.0f} MB for {LONG} frames, {found[LONGEST]:.0f} MB for "
        f"{LONGEST} ({grown:+.0f} MB)",
        flush=True,
    )


def print_large(_: Path) -> None:
    """Measure a step at 1080p, whole and in bands, each in a process of its own."""
    print("\n1920x1080 -> 3840x2160, 3 frames, bf16 where the CPU has it")
    before = in_a_process("large", "none")
    sums = {}
    for rows in ("whole", str(BAND), "32"):
        one = in_a_process("large", rows)
        sums[rows] = one["sum"]
        print(
            f"  rows {rows:6} peak RSS {one['peak']:6.0f} MB, {one['peak'] - before['peak']:6.0f} "
            f"over the inputs; {one['cpu']:5.2f} CPU s a frame",
            flush=True,
        )
    print(f"  sum of the mean pixels of 3 frames: {sums}")


def in_a_process(what: str, given: str) -> dict[str, float]:
    """Run a part of this file in a process that ends, and return what it measured."""
    command = [sys.executable, __file__, "--memory", what, given]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _length(given: str) -> dict[str, float]:
    folder, count = given.rsplit(":", 1)
    asked = request(Path(folder), f"length-{count}", int(count))
    SuperResolutionMaker(f"{folder}/model", SuperResolve()).make(asked)
    return {"peak": peak_mb()}


def _large(rows: str) -> dict[str, float]:
    net = SuperResolution()
    generator = torch.Generator().manual_seed(0)
    net.init_weights(generator)
    net.last.weight.data.normal_(0, 0.02, generator=generator)
    net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub
    video = [torch.rand(3, 1080, 1920, generator=generator) for _ in range(3)]
    total, started = 0.0, time.process_time()
    if rows != "none":
        asked = None if rows == "whole" else int(rows)
        for made in net.stream(video, precision=cpu_precision(), rows=asked):
            total += float(made.double().mean())
    return {"peak": peak_mb(), "cpu": (time.process_time() - started) / 3, "sum": total}


MEMORY: dict[str, Callable[[str], dict[str, float]]] = {"length": _length, "large": _large}


def peak_mb() -> float:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def request(folder: Path, name: str, count: int) -> Request:
    """Write a recording of so many frames, unless it is there, and ask for it twice as large."""
    path = folder / f"{name}.mp4"
    if not path.exists():
        write_video(path, sliding(count), rate=RATE)
    span = Span(0, count * SECOND_NS // RATE)
    clip = ClipSource(
        name, name, name, "camera", name, span, CameraClock(), 0, str(folder), path.name, 0,
        size=SIZE,
    )  # fmt: skip
    source = CameraSource(clip, None, None, (RATE, 1), (1, 12800))
    target = str(folder / "made" / path.name)
    return Request(name, (source,), span, (), None, Encoding(), target)


def sliding(count: int) -> Iterator[Pixels]:
    """Yield frames of a texture that slides by."""
    noise = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0] + LONGEST, 3))
    soft = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 1.5)
    texture = cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]  # it makes the array
    for k in range(count):
        yield np.ascontiguousarray(texture[:, k : k + SIZE[0]])


if __name__ == "__main__":
    main()
