"""Turns decoded frames into arrays of the sizes and formats asked for.

Pure: reads a frame's planes, writes nothing. One scaler is kept per scale and stream (its
constructor is the cost: .59 against .91 of raw decoding speed at 224 px).

Colours: `rgb24` is made with the matrix and range the frame is tagged with (BT.601, BT.709,
BT.2020, full or limited range); an untagged frame is taken for limited-range BT.601, whatever its
size, as ffmpeg does. Transfer curves are left alone: HDR stays in its own curve. `gray` is the
luma as stored, in its own range. Scaling averages areas; colours that are made half as large or
smaller come from halved pictures (`halving.py`). `gray16` is for depth streams: the
samples of a grey picture of more than 8 bits as they are, nearest neighbours, never averaged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tasks.containers.halving import Halves

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tasks.decode import Frame, Reformatter

# Formats whose first plane is 8-bit luma: taken as it is when no scaling is asked for.
_LUMA_FIRST = re.compile(r"yuvj?4\d\dp|yuva4\d\dp|nv12|nv21|nv16|nv24|gray")
# Grey of more than 8 bits, two bytes a sample.
_DEEP_GRAY = re.compile(r"gray(?:9|1[0-6])(le|be)")
# Matrices the scaler knows (unspecified and RGB among them); of others it is told BT.601.
_KNOWN_MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
_BT601 = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """One size and format to get frames in; `name` is the key of its pictures.

    `width` and `height` are in displayed orientation (after rotation), both None for full size.
    `rgb24` gives (height, width, 3) uint8, `gray` (height, width) uint8; `gray16` (height, width,
    2) uint8, the low and the high byte of each sample, all 0 where the frame is not stored as grey
    of more than 8 bits.

    Raises:
        ValueError: if only one of width and height is given, or either is not positive.
    """

    name: str
    width: int | None
    height: int | None
    format: Literal["rgb24", "gray", "gray16"] = "rgb24"

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise ValueError(f"scale {self.name}: give both width and height, or neither")
        if self.width is not None and min(self.width, self.height or 0) < 1:
            raise ValueError(f"scale {self.name}: {self.width}x{self.height} is no size")


class Pictures:
    """Makes pictures of the frames of one stream, in displayed orientation."""

    def __init__(
        self,
        new_reformatter: Callable[[], Reformatter],
        new_frame: Callable[[int, int, str], Frame],
    ) -> None:
        self._new_reformatter = new_reformatter
        self._reformatters: dict[Scale, Reformatter] = {}
        self._halves = Halves(new_frame)

    def of(self, frame: Frame, scale: Scale) -> npt.NDArray[np.uint8]:
        """Return one picture of a frame, contiguous; a change of size mid-stream is no matter."""
        turns = quarter_turns(frame.rotation)
        width, height = scale.width or frame.width, scale.height or frame.height
        if scale.width is not None and turns % 2:
            width, height = height, width
        if scale.format == "gray16":
            return np.ascontiguousarray(np.rot90(_deep_gray(frame, width, height), turns))
        as_stored = (width, height) == (frame.width, frame.height)
        if scale.format == "gray":
            if not (as_stored and _LUMA_FIRST.fullmatch(frame.format.name)):
                # The library's own 'gray' is slower than yuv420p and may change the range.
                frame = self._reformat(frame, scale, width, height, "yuv420p")
            picture = _rows(frame, width)
        else:
            frame = self._halves.of(frame, width, height)
            frame = self._reformat(frame, scale, width, height, "rgb24")
            picture = _rows(frame, 3 * width).reshape(height, width, 3)
        # A stored picture is turned after it was made small.
        return np.ascontiguousarray(np.rot90(picture, turns))

    def _reformat(self, frame: Frame, scale: Scale, width: int, height: int, to: str) -> Frame:
        if scale not in self._reformatters:
            self._reformatters[scale] = self._new_reformatter()
        matrix = None if frame.colorspace in _KNOWN_MATRICES else _BT601
        return self._reformatters[scale].reformat(
            frame,
            width=width,
            height=height,
            format=to,
            src_colorspace=matrix,
            dst_colorspace=_BT601 if frame.format.is_rgb and to == "yuv420p" else matrix,
            interpolation="AREA",
            threads=1,
        )


def _deep_gray(frame: Frame, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return samples of a deep grey frame as bytes (height, width, 2), of any other zeros."""
    found = _DEEP_GRAY.fullmatch(frame.format.name)
    if found is None:
        return np.zeros((height, width, 2), np.uint8)
    samples = _rows(frame, 2 * frame.width).reshape(frame.height, frame.width, 2)
    rows, columns = (
        ((np.arange(wanted) + 0.5) * there / wanted).astype(np.int64)
        for wanted, there in ((height, frame.height), (width, frame.width))
    )
    chosen = samples[rows[:, None], columns[None, :]]
    return chosen if found[1] == "le" else chosen[..., ::-1]


def quarter_turns(degrees: int) -> int:
    """Return how often to turn a stored picture counter-clockwise by 90 degrees; 0 if insane.

    `degrees` is a display matrix's counter-clockwise angle; files have been seen that say
    -2147483648.
    """
    return degrees // 90 % 4 if degrees % 90 == 0 and abs(degrees) <= 360 else 0


def _rows(frame: Frame, row_bytes: int) -> npt.NDArray[np.uint8]:
    """Return the first plane as (height, row_bytes), without the padding of its lines."""
    plane = frame.planes[0]
    stride = plane.line_size
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, abs(stride))
    # A negative stride stores the picture upside down.
    return (lines if stride > 0 else lines[::-1])[: frame.height, :row_bytes]
