"""Casting rays at boxes, balls and the inside of a room, and dressing what they meet in texture.

Pure arithmetic on arrays, in the precision of the grid it is given. A grid is the rays' x (1, W)
and y (H, 1) at depth 1 before the camera; depth is along the optical axis.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]
Grid = tuple[Array, Array]
Window = tuple[slice, slice]

# Metres along the pattern by which one pair of sides differs from the others, and its edge.
_SHIFT, _MARGIN = 2.3, 0.05


def directions(rotation: Matrix, grid: Grid) -> Array:
    """Return the rays' directions (3, H', W'), turned, of length 1 along the optical axis."""
    x, y = grid
    kind = x.dtype.type
    return np.stack([kind(row[0]) * x + (kind(row[1]) * y + kind(row[2])) for row in rotation])


def rotate(rotation: Matrix, points: Array) -> Array:
    """Return turned points (3, ...); written out, so that no BLAS rounds in its own way."""
    return np.stack(
        [row[0] * points[0] + row[1] * points[1] + row[2] * points[2] for row in rotation]
    )


def window_of(radius: float, middle: Matrix, grid: Grid) -> Window:
    """Return the part of the grid outside which a ball before the camera cannot be seen."""
    # The slack is for the ball's outline, which is an ellipse off the optical axis.
    reach = 1.3 * radius / (middle[2] - radius)
    rows, columns = (
        slice(*np.searchsorted(grid[axis].ravel(), (at - reach, at + reach)))
        for axis, at in ((1, middle[1] / middle[2]), (0, middle[0] / middle[2]))
    )
    return rows, columns


def _slabs(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    """Return depths (3, H, W) where rays enter and leave each pair of a box's sides."""
    kind = along.dtype.type
    sides = list(zip(half, start, along, strict=True))
    with np.errstate(divide="ignore"):  # a ray along a side meets it infinitely far away
        one = np.stack([(kind(-h) - kind(o)) / a for h, o, a in sides])
        two = np.stack([(kind(h) - kind(o)) / a for h, o, a in sides])
    return np.minimum(one, two), np.maximum(one, two)


def _at(start: Matrix, along: Array, depth: Array) -> Array:
    kind = along.dtype.type
    return np.stack([kind(o) + a * depth for o, a in zip(start, along, strict=True)])


def cast_box(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    """Return depth (H, W), infinite where a box is missed, and points (3, H, W) on it.

    All is in the box's own frame: rays begin at `start` (3,), `half` (3,) are its half sides.
    """
    enter, leave = _slabs(start, along, half)
    near = enter.max(axis=0)
    met = near < leave.min(axis=0)
    return np.where(met, near, np.inf), _at(start, along, np.where(met, near, 0))


def cast_ball(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    """Do as `cast_box` for a ball of radius `half[0]`."""
    kind = along.dtype.type
    x, y, z = along
    a = x * x + y * y + z * z
    b = kind(start[0]) * x + kind(start[1]) * y + kind(start[2]) * z
    inside = b * b - a * kind(start @ start - half[0] ** 2)
    met = inside > 0
    depth = (-b - np.sqrt(np.where(met, inside, 0))) / a
    return np.where(met, depth, np.inf), _at(start, along, depth)


def cast_room(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    """Do as `cast_box` from inside the box, which is never missed."""
    depth = _slabs(start, along, half)[1].min(axis=0)
    return depth, _at(start, along, depth)


def shade(
    pattern: npt.NDArray[np.uint8], points: Array, half: Matrix, texels: float
) -> npt.NDArray[np.uint8]:
    """Return the colours (H, W, 3) of points on a body, `texels` a metre, each side by itself.

    A ball is dressed like the box around it. The pattern must be wide enough for the largest
    side and the shift, see `tile_side`; points that are not on the body come out black.
    """
    x, y, z = points
    kind = points.dtype.type
    to_x, to_y, to_z = (np.abs(p) / kind(h) for p, h in zip(points, half, strict=True))
    on_x, on_z = to_x >= np.maximum(to_y, to_z), to_z > np.maximum(to_x, to_y)
    first = kind(half.max() + _MARGIN)
    along = (np.where(on_x, y, x) + first) * kind(texels)
    across = (np.where(on_z, y, z + on_x * kind(_SHIFT)) + first) * kind(texels)
    # Constant: remap is 5 x slower where it has to wrap around an edge.
    found = cv2.remap(
        pattern, along, across, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    return np.asarray(found, np.uint8)


def tile_side(half: float, texels: float) -> int:
    """Return how many texels wide a pattern must be for half sides up to `half` metres.

    A multiple of 32, which transforms fast.
    """
    return int(np.ceil((2 * half + _SHIFT + 2 * _MARGIN) * texels / 32)) * 32
