"""A small rendered world with known geometry: what synthetic archives show.

Reads and writes nothing; everything follows from a seed. Textured balls and boxes move in a
textured room before pinhole cameras; rays are cast at pixels, so that flow, outlines and depth
come from the geometry and not from the pictures. Lengths are in metres of that world, x right,
y down, z away; a camera sees `x_camera = R x_world + t`, pixel centres at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]

ROOM = 0  # the id of the room; objects count from 1
_HALF_ROOM = (7.0, 2.6, 7.0)
_CAMERA_DISTANCE = 5.0
# Two samples across a pixel and two down: outlines are soft as a lens makes them.
_SAMPLES = 2
# Texels a metre: what stands nearer is finer, so that pixels never skip texels.
_ROOM_TEXELS, _BODY_TEXELS = 22.0, 44.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera on a circle around the middle of the room, looking at it.

    `azimuth` and `elevation` are in radians at time 0, `orbit` in radians a second; `focal` in
    pixels.
    """

    width: int
    height: int
    azimuth: float = 0.0
    elevation: float = -0.15
    orbit: float = 0.0
    focal: float = field(default=0.0)

    @property
    def intrinsics(self) -> Matrix:
        """K (3, 3), in pixels; unless given, the focal length equals the longer side."""
        focal = self.focal or float(max(self.width, self.height))
        middle = ((self.width - 1) / 2, (self.height - 1) / 2)
        return np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])

    def pose(self, seconds: float) -> tuple[Matrix, Matrix]:
        """Return R (3, 3) and t (3,) at an instant of the session clock."""
        around, up = self.azimuth + self.orbit * seconds, self.elevation
        ahead = np.array([-np.sin(around) * np.cos(up), -np.sin(up), np.cos(around) * np.cos(up)])
        right = np.array([np.cos(around), 0.0, np.sin(around)])
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        return rotation, rotation @ ahead * _CAMERA_DISTANCE


@dataclass(frozen=True)
class Body:
    """One moving object: a ball or box, its size, its way through the room, its texture."""

    kind: Literal["ball", "box"]
    half: Matrix  # (3,) half sides; a ball has its radius three times
    middle: Matrix  # (3,)
    swing: Matrix  # (3,) metres to either side of the middle
    pace: Matrix  # (3,) radians a second
    phase: Matrix  # (3,)
    axis: Matrix  # (3,) it turns about, unit length
    spin: float  # radians a second
    texture: Array  # (S, S, 3) uint8, tiles without seams

    def pose(self, beat: float) -> tuple[Matrix, Matrix]:
        """Return R (3, 3) and position (3,) after `beat` seconds of its own time."""
        rotation, _ = cv2.Rodrigues(self.axis * (self.spin * beat))
        return rotation, self.middle + self.swing * np.sin(self.pace * beat + self.phase)


@dataclass(frozen=True)
class Hits:
    """What the rays of one picture met: ids (H, W), depth (H, W) and body coordinates (3, H, W)."""

    ids: Array
    depth: Array
    points: Array


class World:
    """Everything before the cameras; the same seed is the same world on any camera and clock."""

    def __init__(self, seed: int, objects: int = 5) -> None:
        rng = np.random.default_rng([seed, 0x5717])
        self.room = texture(rng, 256, base=rng.uniform(90, 150, 3), contrast=26)
        self.bodies = [_body(rng, number, objects) for number in range(objects)]
        # All objects hurry and linger together, so that motion tells the time to every camera.
        self._sway = rng.uniform(0.8, 1.0, 3) * [0.42, 0.3, 0.2]
        self._pulse = 2 * np.pi * rng.uniform(0.9, 1.1, 3) * [0.37, 0.83, 1.71]
        self._lag = rng.uniform(0, 2 * np.pi, 3)
        self._empty: dict[tuple[Camera, float], tuple[Array, Array]] = {}

    def beat(self, seconds: float) -> float:
        """Return the objects' own time: it runs on at .08 to 1.92 of the clock's speed."""
        swayed = self._sway / self._pulse * np.sin(self._pulse * seconds + self._lag)
        return float(seconds + swayed.sum())

    def picture(self, camera: Camera, t_ns: int) -> npt.NDArray[np.uint8]:
        """Render what a camera sees at an instant: (H, W, 3) rgb24."""
        seconds = t_ns / 1e9
        grid = _grid(camera, _SAMPLES, np.float32)
        rgb, depth = (part.copy() for part in self._empty_room(camera, seconds, grid))
        for number, window, nearer, points in self._bodies_met(camera, seconds, grid, depth):
            body = self.bodies[number - 1]
            rgb[window][nearer] = _shade(body.texture, points, body.half, _BODY_TEXELS)[nearer]
        size = (camera.width, camera.height)
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)

    def hits(self, camera: Camera, t_ns: int) -> Hits:
        """Say what is seen at the middle of each pixel, in double precision."""
        seconds = t_ns / 1e9
        grid = _grid(camera, 1, np.float64)
        depth, points = _cast_room(camera, seconds, grid)
        ids = np.full(depth.shape, ROOM, np.int16)
        for number, window, nearer, local in self._bodies_met(camera, seconds, grid, depth):
            ids[window][nearer] = number
            points[:, *window][:, nearer] = local[:, nearer]
        return Hits(ids, depth, points)

    def follow(self, hits: Hits, camera: Camera, t_ns: int) -> tuple[Array, Array]:
        """Say where what was hit is at another instant: pixel x, y (2, H, W) and depth (H, W)."""
        seconds = t_ns / 1e9
        rotation, shift = camera.pose(seconds)
        seen = np.empty_like(hits.points)
        for number in np.unique(hits.ids):
            there = hits.ids == number
            turned, at = (
                (np.eye(3), np.zeros(3))
                if number == ROOM
                else self.bodies[number - 1].pose(self.beat(seconds))
            )
            world = _turn(turned, hits.points[:, there]) + at[:, None]
            seen[:, there] = _turn(rotation, world) + shift[:, None]
        flat = _turn(camera.intrinsics, seen / seen[2])
        return flat[:2], seen[2]

    def _bodies_met(
        self, camera: Camera, seconds: float, grid: Grid, depth: Array
    ) -> Iterator[tuple[int, Window, Array, Array]]:
        """Yield (id, window of the grid, where in it the body is nearest so far, its points).

        Brings `depth` up to date.
        """
        rotation, shift = camera.pose(seconds)
        for number, body in enumerate(self.bodies, start=1):
            turned, at = body.pose(self.beat(seconds))
            window = _window(body, rotation @ at + shift, grid)
            cut = (grid[0][:, window[1]], grid[1][window[0]])
            # The rays in the body's own frame: from `start`, along `along` at depth 1.
            start = turned.T @ (rotation.T @ -shift - at)
            near, points = _CAST[body.kind](start, _along(turned.T @ rotation.T, cut), body.half)
            nearer = near < depth[window]
            depth[window][nearer] = near[nearer]
            yield number, window, nearer, points

    def _empty_room(self, camera: Camera, seconds: float, grid: Grid) -> tuple[Array, Array]:
        key = (camera, seconds if camera.orbit else 0.0)
        if key not in self._empty:
            self._empty.clear()  # one is enough: a camera's pictures are made in one go
            depth, points = _cast_room(camera, seconds, grid)
            self._empty[key] = (
                _shade(self.room, points, np.array(_HALF_ROOM), _ROOM_TEXELS),
                depth,
            )
        return self._empty[key]


def texture(
    rng: np.random.Generator, side: int, *, base: Array, contrast: float
) -> npt.NDArray[np.uint8]:
    """Return (side, side, 3) of band-limited noise around a colour; it tiles without seams.

    No detail is finer than about five texels, so that any camera samples it well; most of it is
    luma, as in nature, and the little colour is coarse.
    """
    turns = np.fft.fftfreq(side)
    radius = np.hypot(turns[:, None], turns[None, :])
    layers = []
    for finest, falloff in ((0.13, 0.9), (0.03, 0.5), (0.03, 0.5)):
        slope = np.where(radius > 0, 1 / np.maximum(radius, 1 / side) ** falloff, 0)
        noise = np.fft.fft2(rng.standard_normal((side, side)))
        layer = np.fft.ifft2(noise * slope * np.exp(-((radius / finest) ** 2))).real
        layers.append(layer / layer.std())
    luma, warm, green = layers
    mix = np.stack([luma + 0.5 * warm, luma + 0.35 * green, luma - 0.5 * warm], axis=-1)
    return np.asarray(np.clip(base + contrast * mix, 4, 251).round(), np.uint8)


def _body(rng: np.random.Generator, number: int, of: int) -> Body:
    kind: Literal["ball", "box"] = "ball" if number % 2 else "box"
    half = np.full(3, rng.uniform(0.36, 0.52)) if kind == "ball" else rng.uniform(0.26, 0.52, 3)
    # Spread around the middle so that few hide each other for long.
    around = 2 * np.pi * (number + rng.uniform(-0.25, 0.25)) / of
    middle = np.array([1.35 * np.cos(around), rng.uniform(-0.75, 0.75), 1.0 * np.sin(around)])
    axis = rng.standard_normal(3)
    # One channel is strong: objects differ from each other and from the greyish room.
    base = rng.permutation([200.0, 110.0, 60.0]) + rng.uniform(-20, 20, 3)
    return Body(
        kind=kind,
        half=half,
        middle=middle,
        swing=rng.uniform(0.15, 0.5, 3) * [1.0, 0.8, 0.8],
        pace=rng.uniform(1.0, 2.2, 3),
        phase=rng.uniform(0, 2 * np.pi, 3),
        axis=axis / np.linalg.norm(axis),
        spin=float(rng.uniform(0.5, 1.4) * rng.choice([-1, 1])),
        texture=texture(rng, 128, base=base, contrast=38),
    )


Grid = tuple[Array, Array]
Window = tuple[slice, slice]


def _grid(camera: Camera, samples: int, kind: type[np.floating[Any]]) -> Grid:
    """Return the rays' x (1, W') and y (H', 1) at depth 1."""
    k = camera.intrinsics
    x, y = (
        ((np.arange(side * samples) + 0.5) / samples - 0.5 - k[axis, 2]) / k[axis, axis]
        for axis, side in enumerate((camera.width, camera.height))
    )
    return x[None, :].astype(kind), y[:, None].astype(kind)


def _along(turn: Matrix, grid: Grid) -> Array:
    """Return the rays' directions (3, H', W'), turned, of length 1 along the optical axis."""
    x, y = grid
    kind = x.dtype.type
    return np.stack([kind(row[0]) * x + (kind(row[1]) * y + kind(row[2])) for row in turn])


def _turn(turn: Matrix, points: Array) -> Array:
    """Return turned points (3, ...); written out, so that no BLAS rounds in its own way."""
    return np.stack([row[0] * points[0] + row[1] * points[1] + row[2] * points[2] for row in turn])


def _window(body: Body, middle: Matrix, grid: Grid) -> Window:
    """Return the part of the grid outside which a body's bounding ball cannot be."""
    radius = float(body.half[0] if body.kind == "ball" else np.linalg.norm(body.half))
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
    one = np.stack([(kind(-h) - kind(o)) / a for h, o, a in zip(half, start, along, strict=True)])
    two = np.stack([(kind(h) - kind(o)) / a for h, o, a in zip(half, start, along, strict=True)])
    return np.minimum(one, two), np.maximum(one, two)


def _at(start: Matrix, along: Array, depth: Array) -> Array:
    kind = along.dtype.type
    return np.stack([kind(o) + a * depth for o, a in zip(start, along, strict=True)])


def _cast_box(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    enter, leave = _slabs(start, along, half)
    near = enter.max(axis=0)
    met = near < leave.min(axis=0)
    near = np.where(met, near, np.inf)
    return near, _at(start, along, np.where(met, near, 0))


def _cast_ball(start: Matrix, along: Array, half: Matrix) -> tuple[Array, Array]:
    kind = along.dtype.type
    x, y, z = along
    a = x * x + y * y + z * z
    b = kind(start[0]) * x + kind(start[1]) * y + kind(start[2]) * z
    inside = b * b - a * kind(start @ start - half[0] ** 2)
    met = inside > 0
    depth = (-b - np.sqrt(np.where(met, inside, 0))) / a
    return np.where(met, depth, np.inf), _at(start, along, depth)


_CAST = {"box": _cast_box, "ball": _cast_ball}


def _cast_room(camera: Camera, seconds: float, grid: Grid) -> tuple[Array, Array]:
    """Return the depth (H, W) and points (3, H, W) where rays meet the room from inside."""
    rotation, shift = camera.pose(seconds)
    start, along = rotation.T @ -shift, _along(rotation.T, grid)
    depth = _slabs(start, along, np.array(_HALF_ROOM))[1].min(axis=0)
    return depth, _at(start, along, depth)


def _shade(pattern: Array, points: Array, half: Matrix, texels: float) -> Array:
    """Return the colours (H, W, 3) of points on a body, `texels` a metre, each side by itself.

    A ball is dressed like the box around it.
    """
    x, y, z = points
    side = np.argmax(
        [np.abs(p) / points.dtype.type(h) for p, h in zip(points, half, strict=True)], axis=0
    )
    scale = points.dtype.type(texels)
    along = np.where(side == 0, y, x) * scale
    across = (np.where(side == 2, y, z) + side.astype(points.dtype) * 9) * scale
    # remap keeps positions as 16-bit whole numbers: folded into one tile they always fit.
    tile = pattern.shape[0]
    return np.asarray(
        cv2.remap(
            pattern,
            np.mod(along, tile),
            np.mod(across, tile),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
    )
