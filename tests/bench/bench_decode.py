"""Decoding beside the naive ceiling: `python tests/bench/bench_decode.py`.

Writes two ten-second recordings at 720p, each coded with B-frames at GOP 60 and 12, into a
temporary folder; reads them in interleaved rounds and prints the median of each way relative to
ffmpeg decoding to nothing on one thread (a bare decode loop where there is no ffmpeg).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS, Span
from tasks.decode import Scale, Source, decoder_build, frames, open_container, sample
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

SECONDS, RATE, ROUNDS = 10, 30, 3
WIDTH, HEIGHT = 1280, 720
SMALL = (Scale("small", 224, 224),)
WHOLE = Span(0, (SECONDS + 1) * SECOND_NS)


def moving() -> Iterator[npt.NDArray[np.uint8]]:
    """Yield textured squares that circle over a sliding texture with some sensor noise."""
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, (2, HEIGHT + 60, WIDTH + 2 * SECONDS * RATE, 3))
    ground, square = (
        cv2.normalize(
            cv2.GaussianBlur(part.astype(np.float32), (0, 0), sigma), None, 0, 255, cv2.NORM_MINMAX
        ).astype(np.uint8)
        for part, sigma in zip(noise, (6, 2), strict=True)
    )
    grain = random.integers(0, 9, (HEIGHT + 8, WIDTH + 8, 1), dtype=np.uint8)
    for k in range(SECONDS * RATE):
        frame = ground[30:][:HEIGHT, 2 * k : 2 * k + WIDTH].copy()
        for n in range(4):
            top = int(HEIGHT * (0.4 + 0.35 * np.sin(k / 31 + n)))
            left = int(WIDTH * (0.4 + 0.38 * np.cos(k / 43 + 2 * n)))
            frame[top : top + 150, left : left + 200] = square[:150, 200 * n : 200 * n + 200]
        shift = k % 8
        yield cv2.add(frame, np.repeat(grain[shift:][:HEIGHT, shift : shift + WIDTH], 3, axis=2))


def bare(path: Path) -> None:
    """Decode every frame on one thread and drop it."""
    with open_container(Source(str(path))) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def run_ffmpeg(binary: str, path: Path) -> None:
    """Let ffmpeg decode on one thread to nothing."""
    command = [binary, "-v", "error", "-threads", "1", "-i", str(path), "-an", "-f", "null", "-"]
    subprocess.run(command, check=True)


def drain(found: Iterator[object]) -> None:
    """Take everything and keep nothing."""
    for _ in found:
        pass


def cpu_seconds() -> float:
    """Return the CPU time of this process and its children: a busy machine does not count."""
    return sum(os.times()[:4])


def ways(path: Path) -> dict[str, Callable[[], None]]:
    """Return what is timed, by name; the first is the unit."""
    source = Source(str(path))
    binary = shutil.which("ffmpeg")
    every = {rate: range(0, SECONDS * SECOND_NS, int(SECOND_NS / rate)) for rate in (2, 12.5)}
    clips = [
        Span(start, start + 16 * SECOND_NS // RATE)
        for start in np.random.default_rng(2).integers(0, 9 * SECOND_NS, 6).tolist()
    ]
    in_clips = sorted({t for c in clips for t in range(c.start_ns, c.end_ns, SECOND_NS // RATE)})
    chosen: dict[str, Callable[[], None]] = {}
    if binary:
        chosen["ffmpeg to null"] = lambda: run_ffmpeg(binary, path)
    chosen["bare decode"] = lambda: bare(path)
    chosen["all frames to 224"] = lambda: drain(frames(source, WHOLE, SMALL, start_pts=0))
    for plan in (False, True):
        name = "by plan" if plan else "no plan"
        for rate, instants in every.items():
            chosen[f"{rate} frames/s to 224, {name}"] = lambda i=instants, p=plan: drain(
                sample(source, i, SMALL, start_pts=0, plan=p)
            )
        chosen[f"6 clips of 16 frames to 224, {name}"] = lambda p=plan: drain(
            sample(source, in_clips, SMALL, start_pts=0, plan=p)
        )
    return chosen


def main() -> None:
    """Write, read in rounds, print the table."""
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; {decoder_build()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for gop in (60, 12):
            path = Path(folder) / f"gop{gop}.mp4"
            options = {
                "preset": "veryfast",
                "x264-params": f"bframes=3:keyint={gop}:min-keyint={gop}:scenecut=0",
            }
            write_video(path, moving(), rate=RATE, options=options)
            named = ways(path)
            spent: dict[str, list[float]] = {name: [] for name in named}
            for _ in range(ROUNDS):
                for name, way in named.items():
                    start = cpu_seconds()
                    way()
                    spent[name].append(cpu_seconds() - start)
            unit = median(spent[next(iter(named))])
            print(f"\nH.264 720p, GOP {gop}, {path.stat().st_size * 8 / SECONDS / 1e6:.1f} Mbit/s")
            for name, seconds in spent.items():
                print(f"{name:42} {unit / median(seconds):6.2f} x {median(seconds):7.2f} s CPU")


if __name__ == "__main__":
    main()
