"""Turned squares in a picture, and the affine maps between them and pictures squashed to a square.

Pure arithmetic. Lengths are in the picture's longer side and true in both directions, so that a
person is not squashed with the picture: a 1080 x 1920 picture is 0.5625 wide and 1 high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Matrix = npt.NDArray[np.float64]

# The person is given a quarter of room around, as the networks were trained (Bazarevsky et al.,
# "BlazePose", 2020).
ROOM = 1.25


@dataclass(frozen=True, slots=True)
class Region:
    """A square of `side` around (x, y), turned by `angle` radians (clockwise as seen)."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, points: Floats) -> Floats:
        """Return points (..., 2), 0 to 1 across the square, as places in the picture."""
        cos, sin = math.cos(self.angle) * self.side, math.sin(self.angle) * self.side
        u, v = points[..., 0] - 0.5, points[..., 1] - 0.5
        placed = [self.x + cos * u - sin * v, self.y + sin * u + cos * v]
        return np.stack(placed, axis=-1).astype(np.float32)

    def crop_map(self, pixels: int, aspect: tuple[float, float], side: int) -> Matrix:
        """Return (2, 3): pixel of a crop of `pixels` -> pixel of the picture squashed to `side`."""
        step = self.side / pixels
        cos, sin = math.cos(self.angle) * step, math.sin(self.angle) * step
        middle = (1 - pixels) / 2  # of the first pixel's centre, from the middle
        rows = np.array(
            [
                [cos, -sin, self.x + (cos - sin) * middle],
                [sin, cos, self.y + (sin + cos) * middle],
            ]
        )
        rows *= side / np.array(aspect)[:, None]
        rows[:, 2] -= 0.5
        return rows


def region_around(middle: Floats, reach: Floats) -> Region:
    """Return the region of a person whose hips' middle and top (x, y) are these.

    `reach` lies on the circle around the whole body, straight above the hips of who stands.
    """
    dx, dy = float(reach[0] - middle[0]), float(reach[1] - middle[1])
    angle = math.atan2(dx, -dy)
    return Region(float(middle[0]), float(middle[1]), 2 * ROOM * math.hypot(dx, dy), angle)


def halfway(one: Region, other: Region) -> Region:
    """Return the region between two, turning the shorter way round."""
    turn = math.remainder(other.angle - one.angle, 2 * math.pi)
    return Region(
        (one.x + other.x) / 2, (one.y + other.y) / 2, (one.side + other.side) / 2,
        one.angle + turn / 2,
    )  # fmt: skip


def aspect_of(size: tuple[int, int]) -> tuple[float, float]:
    """Return a picture's width and height in its longer side."""
    longer = max(size)
    return size[0] / longer, size[1] / longer
