"""What every frame of a recording looked like, in a few numbers: what cuts and clocks are found by.

Reads small luma pictures while a scan decodes them; packs the numbers into bytes for the table
`recordings` and back, so that neither cuts nor clocks ever need a second decode. 81 bits a frame.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

# Differences up to this many levels are noise and coding, not motion, where motion is located.
STILL_LEVELS = 6
# Frame k of n is taken to stand at k * step if no time differs from that by more.
EVEN_NS = 500_000
NAMES = ("change", "brightness", "contrast", "centre_x", "centre_y")


@dataclass(frozen=True, slots=True)
class Signals:
    """A few numbers a frame, of the good frames only, measured on luma of 64 x 36. All (frames,).

    `times_ns` is on the recording clock. `change` is the mean absolute difference to the good
    frame before, 0..255, 0 for the first; `brightness` the mean luma and `contrast` its standard
    deviation, 0..255; `centre_x`, `centre_y` where the change is, as shares of the picture's
    width and height, NaN where nothing moves. Values come back from bytes in half precision.
    `keys` tells which frames are keyframes, whose coding changes the picture though nothing
    moves; None where that was not noted.
    """

    times_ns: npt.NDArray[np.int64]
    change: Floats
    brightness: Floats
    contrast: Floats
    centre_x: Floats
    centre_y: Floats
    keys: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays of unequal length.

        Raises:
            ValueError: naming the lengths.
        """
        lengths = {len(self.times_ns), *(len(getattr(self, name)) for name in NAMES)}
        lengths |= set() if self.keys is None else {len(self.keys)}
        if len(lengths) > 1:
            raise ValueError(f"signals of unequal length: {sorted(lengths)}")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.times_ns)

    def part(self, first: int, end: int) -> Signals:
        """Return frames `first` to `end` (exclusive); times stay on the recording clock."""
        values = {name: getattr(self, name)[first:end] for name in NAMES}
        keys = None if self.keys is None else self.keys[first:end]
        return Signals(self.times_ns[first:end], **values, keys=keys)

    def pack(self) -> bytes:
        """Return the numbers as bytes: half precision, frame by frame, times if uneven, keys."""
        values = np.stack([getattr(self, name) for name in NAMES], axis=1)
        head = np.array([len(self), self._step_ns()], "<i8")
        times = b"" if self._step_ns() else self.times_ns.astype("<i8").tobytes()
        keys = b"" if self.keys is None else np.packbits(self.keys).tobytes()
        return head.tobytes() + values.astype("<f2").tobytes() + times + keys

    @classmethod
    def unpack(cls, data: bytes) -> Signals:
        """Return what `pack` packed; times of evenly spaced frames are right to .5 ms.

        Raises:
            ValueError: the bytes are not those of `pack`.
        """
        count, step_ns = (int(value) for value in np.frombuffer(data, "<i8", 2))
        end = 16 + 2 * len(NAMES) * count
        values = np.frombuffer(data[16:end], "<f2").reshape(count, len(NAMES)).astype(np.float32)
        if step_ns:
            times = np.arange(count, dtype=np.int64) * step_ns
        else:
            times = np.frombuffer(data[end : end + 8 * count], "<i8").astype(np.int64)
            end += 8 * count
        bits = np.frombuffer(data[end:], np.uint8)
        keys = np.unpackbits(bits, count=count).astype(np.bool_) if len(bits) else None
        columns = (np.ascontiguousarray(column) for column in values.T)
        return cls(times, **dict(zip(NAMES, columns, strict=True)), keys=keys)

    def _step_ns(self) -> int:
        """Return the distance of evenly spaced frames, 0 where they are not."""
        if len(self) < 2:
            return 0
        step = int(self.times_ns[-1] - self.times_ns[0]) // (len(self) - 1)
        even = np.arange(len(self), dtype=np.int64) * step
        return step if np.abs(self.times_ns - even).max() <= EVEN_NS else 0


class Meter:
    """Measures frames as they go by; memory is 29 bytes a frame."""

    def __init__(self, width: int, height: int) -> None:
        self.times_ns = array("q")
        self._values = [array("f") for _ in NAMES]
        self._keys = bytearray()
        self._x = (np.arange(width, dtype=np.float32) + 0.5) / width
        self._y = (np.arange(height, dtype=np.float32) + 0.5) / height

    def note(
        self,
        t_ns: int,
        luma: npt.NDArray[np.uint8],
        before: npt.NDArray[np.uint8] | None,
        *,
        key: bool = False,
    ) -> None:
        """Measure one frame (height, width) against the good frame before it, if any."""
        (mean,), (spread,) = cv2.meanStdDev(luma)
        change, x, y = 0.0, float("nan"), float("nan")
        if before is not None:
            difference = cv2.absdiff(luma, before)
            change = float(cv2.mean(difference)[0])
            moved = cv2.subtract(difference, STILL_LEVELS)
            columns = cv2.reduce(moved, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel()
            weight = float(columns.sum())
            if weight > 0:
                rows = cv2.reduce(moved, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel()
                x, y = float(columns @ self._x) / weight, float(rows @ self._y) / weight
        self.times_ns.append(t_ns)
        self._keys.append(key)
        found = (change, float(mean[0]), float(spread[0]), x, y)
        for values, value in zip(self._values, found, strict=True):
            values.append(value)

    def signals(self) -> Signals:
        """Return what was measured."""
        times = np.array(self.times_ns, np.int64)
        keys = np.frombuffer(bytes(self._keys), np.bool_)
        columns = (np.array(values, np.float32) for values in self._values)
        return Signals(times, **dict(zip(NAMES, columns, strict=True)), keys=keys)
