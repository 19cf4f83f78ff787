"""Rate-distortion lines: which points of a sweep are worth their bytes, and bytes at equal PSNR.

Pure. Between two points the logarithm of the bytes is linear in PSNR, as in Bjontegaard's measure
(VCEG-M33), without his polynomial: few points in a narrow range do not carry a cubic.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Where two lines are compared: so many places evenly over the PSNR that both reach.
PLACES = 33


class Point(NamedTuple):
    """One setting of a coder: the bytes it took, the PSNR it gave, and what the setting was."""

    size: float
    psnr: float
    name: str = ""


class Reading(NamedTuple):
    """Bytes at a PSNR: exactly, at most (the coarsest point is better already), or out of reach.

    Out of reach `size` is not a number.
    """

    size: float
    kind: Literal["=", "<=", "out of reach"]

    def __str__(self) -> str:
        """Whole bytes with what kind they are."""
        if self.kind == "out of reach":
            return self.kind
        return f"{'' if self.kind == '=' else self.kind}{self.size:.0f}"


def worth(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other beats at once in bytes and PSNR, from coarse to fine."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.size, -p.psnr)):
        if not found or point.psnr > found[-1].psnr:
            found.append(point)
    return found


def size_at(points: Sequence[Point], psnr: float) -> Reading:
    """Return what a coder takes at a PSNR, read from its line.

    Raises:
        ValueError: if there is no point, or one of no bytes.
    """
    line = _line(points)
    if psnr > line[-1].psnr:
        return Reading(math.nan, "out of reach")
    if psnr <= line[0].psnr:
        return Reading(line[0].size, "=" if psnr == line[0].psnr else "<=")
    return Reading(_between(line, psnr), "=")


def mean_ratio(ours: Sequence[Point], theirs: Sequence[Point]) -> float | None:
    """Return bytes of ours over theirs, geometric mean over the PSNR that both lines reach.

    None where they have no PSNR in common, or only one.

    Raises:
        ValueError: if there is no point of either, or one of no bytes.
    """
    one, other = _line(ours), _line(theirs)
    low = max(one[0].psnr, other[0].psnr)
    high = min(one[-1].psnr, other[-1].psnr)
    if high <= low:
        return None
    logs = []
    for k in range(PLACES):
        at = low + (high - low) * k / (PLACES - 1)
        logs.append(math.log(_between(one, at) / _between(other, at)))
    # The ends count half: the trapezium rule.
    logs[0], logs[-1] = logs[0] / 2, logs[-1] / 2
    return math.exp(sum(logs) / (PLACES - 1))


def _line(points: Sequence[Point]) -> list[Point]:
    if not points or any(point.size <= 0 for point in points):
        raise ValueError("a line needs points, each of some bytes")
    return worth(points)


def _between(line: Sequence[Point], psnr: float) -> float:
    """Bytes of a line at a PSNR within its ends."""
    for low, high in pairwise(line):
        if psnr <= high.psnr:
            share = (psnr - low.psnr) / (high.psnr - low.psnr)
            return math.exp((1 - share) * math.log(low.size) + share * math.log(high.size))
    return line[-1].size
