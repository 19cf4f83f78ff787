"""Halves decoded pictures by means of 2 x 2 pixels, before they are scaled to what is asked for.

Pure. The scaler weighs every pixel of a large picture for every size that it is asked for; a mean
of four is what the processor does fastest, is made once for all sizes, and leaves a quarter to
scale: two pictures of 224 and 320 px from 720p take .7 of the time (0034). Which half a picture is
made from depends on the sizes alone, never on what else is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tasks.decode import Frame

    Plane = npt.NDArray[np.uint8]

# Formats of three planes of 8 bits, of which the second and third, the colours, are half as wide
# and high. (Halves that keep all of those, as yuv444p, take longer to scale than the whole.)
FORMATS = frozenset({"yuv420p", "yuvj420p"})
# A picture is made from a half where that is so many times its size or more: of 720 lines, 320. The
# colours' planes are halved too, so a picture larger than this would show that.
LEAST = 9 / 8


class Halves:
    """The halved picture of one frame at a time: asked for another, it forgets."""

    def __init__(self, new_frame: Callable[[int, int, str], Frame]) -> None:
        self._new_frame = new_frame
        self._frame: Frame | None = None
        self._half: Frame | None = None

    def of(self, frame: Frame, width: int, height: int) -> Frame:
        """Return a frame halved if it is `LEAST` times as large as a size then, else as it is.

        As it is too if its planes are of another format than `FORMATS` or do not halve. Never a
        quarter: of 1080p at 224 px it is apart from the mean of areas by 2.4 levels, a half by .9.
        """
        if (
            frame.format.name not in FORMATS
            or frame.width % 4
            or frame.height % 4
            or frame.width < 2 * LEAST * width
            or frame.height < 2 * LEAST * height
        ):
            return frame
        if frame is not self._frame or self._half is None:
            self._frame, self._half = frame, self._halved(frame)
        return self._half

    def _halved(self, frame: Frame) -> Frame:
        half = self._new_frame(frame.width // 2, frame.height // 2, frame.format.name)
        half.colorspace, half.color_range = frame.colorspace, frame.color_range
        for large, small in zip(frame.planes, half.planes, strict=True):
            size = (small.width, small.height)
            cv2.resize(_lines(large), size, _lines(small), interpolation=cv2.INTER_AREA)
        return half


def _lines(plane: Any) -> Plane:  # noqa: ANN401  the library's
    """Return a plane's lines without their padding; a negative stride stores them upside down."""
    stride: int = plane.line_size
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, abs(stride))
    return (lines if stride > 0 else lines[::-1])[: plane.height, : plane.width]
