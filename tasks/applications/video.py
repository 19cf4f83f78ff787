"""How an application's frames become a file: encoding, colours, timing and sound of its source.

Runs in a worker. Writes the video of a request and, beside it, a picture that shows a few moments
side by side with what they were made from.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.mux import AudioCopy, write_still, write_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from tasks.generation.requests import CameraSource, Encoding, Request
    from tasks.mux import Audio, Written

    Pixels = npt.NDArray[np.uint8]

MOMENTS = 3
CELL_WIDTH = 480
TITLE_HEIGHT = 24
PAPER, INK = (250, 250, 248), (32, 34, 38)


def sound_of(source: CameraSource) -> AudioCopy:
    """Return the sound of a clip's recording, to be carried along in sync."""
    clip = source.clip
    return AudioCopy(clip.source, clip.recording_span, clip.start_pts)


def write(
    request: Request,
    frames: Iterable[tuple[Pixels, int]],
    *,
    like: CameraSource | None = None,
    rate: Fraction | None = None,
    time_base: tuple[int, int] | None = None,
    audio: Audio | None = None,
) -> Written:
    """Write the video of a request; each frame rgb24 (H, W, 3) with its time in ns from 0.

    Colours, rate and time base are those of `like`, the request's first source unless given.

    Raises:
        DiskFullError: the disk is full; nothing is left of the file.
        EncodingError: the encoder does not take these options.
    """
    like = like or request.sources[0]
    path = Path(request.target)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(
        path,
        frames,
        rate=rate or (Fraction(*like.rate) if all(like.rate) else 25),
        time_base=time_base or like.time_base,
        codec=request.encoding.codec,
        options=_options(request.encoding),
        pixel_format=request.encoding.pixel_format,
        color_space=like.color_space,
        color_range=like.color_range,
        audio=audio,
    )


def _options(encoding: Encoding) -> dict[str, str] | None:
    return None if encoding.crf is None else {"crf": str(encoding.crf)}


def even(width: int, height: int) -> tuple[int, int]:
    """Return the nearest smaller even sides: any codec and pixel format takes them."""
    return max(2, width // 2 * 2), max(2, height // 2 * 2)


class Comparison:
    """Keeps a few moments of a video beside what they were made from, and writes the picture.

    Moments are spread over `duration_ns`; memory does not grow with the clip.
    """

    def __init__(self, duration_ns: int, moments: int = MOMENTS) -> None:
        self._due = [duration_ns * (2 * k + 1) // (2 * moments) for k in range(moments)]
        self._rows: list[dict[str, Pixels]] = []

    def wants(self, t_ns: int) -> bool:
        """Whether the frame at `t_ns` from the clip's start is one to be kept."""
        return len(self._rows) < len(self._due) and t_ns >= self._due[len(self._rows)]

    def add(self, panels: Mapping[str, Pixels]) -> None:
        """Keep a moment: title -> rgb24 of any size, the same titles each time."""
        self._rows.append({title: _cell(pixels) for title, pixels in panels.items()})

    def write(self, request: Request) -> str | None:
        """Write `<generation>.jpg` beside the video; None if no moment was kept."""
        if not self._rows:
            return None
        path = Path(request.target).with_suffix(".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_still(path, self.picture())
        return str(path)

    def picture(self) -> Pixels:
        """Return the picture: a row a moment, a column a title."""
        columns = []
        for title in self._rows[0]:
            width = max(row[title].shape[1] for row in self._rows)
            cells = [_title(title, width), *(_fitted(row[title], width) for row in self._rows)]
            columns.append(np.concatenate(cells))
        return np.concatenate(columns, axis=1)


def _cell(pixels: Pixels) -> Pixels:
    height = max(1, round(pixels.shape[0] * CELL_WIDTH / pixels.shape[1]))
    way = cv2.INTER_AREA if pixels.shape[1] > CELL_WIDTH else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(pixels, (CELL_WIDTH, height), interpolation=way), np.uint8)


def _fitted(cell: Pixels, width: int) -> Pixels:
    return np.pad(cell, ((0, 4), (0, width + 4 - cell.shape[1]), (0, 0)), constant_values=250)


def _title(text: str, width: int) -> Pixels:
    bar = np.full((TITLE_HEIGHT, width + 4, 3), PAPER, np.uint8)
    cv2.putText(bar, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return bar
