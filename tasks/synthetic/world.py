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

from tasks.synthetic.rays import (
    cast_ball,
    cast_box,
    cast_room,
    directions,
    rotate,
    shade,
    tile_side,
    window_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.synthetic.rays import Array, Grid, Matrix, Window

ROOM = 0  # the id of the room; objects count from 1
_HALF_ROOM = np.array([7.0, 2.6, 7.0])
_CAMERA_DISTANCE = 5.0
_LARGEST = 0.52  # half side of a body
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

    def grid(self, samples: int, kind: type[np.floating[Any]]) -> Grid:
        """Return the rays through `samples` by `samples` points of each pixel."""
        k = self.intrinsics
        x, y = (
            ((np.arange(side * samples) + 0.5) / samples - 0.5 - k[axis, 2]) / k[axis, axis]
            for axis, side in enumerate((self.width, self.height))
        )
        return x[None, :].astype(kind), y[:, None].astype(kind)

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

    @property
    def radius(self) -> float:
        """Radius of the ball it fits in."""
        return float(self.half[0] if self.kind == "ball" else np.linalg.norm(self.half))

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
        pattern = texture(rng, 256, base=rng.uniform(90, 150, 3), contrast=26)
        side = tile_side(_HALF_ROOM.max(), _ROOM_TEXELS)
        self.room = np.tile(pattern, (-(-side // 256), -(-side // 256), 1))[:side, :side].copy()
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
        grid = camera.grid(_SAMPLES, np.float32)
        rgb, depth = (part.copy() for part in self._empty_room(camera, seconds, grid))
        for number, window, nearer, points in self._bodies_met(camera, seconds, grid, depth):
            body = self.bodies[number - 1]
            shaded = shade(body.texture, points, body.half, _BODY_TEXELS)
            # 25 x faster than assigning through a boolean index.
            cv2.copyTo(shaded, nearer.view(np.uint8), rgb[window])
        size = (camera.width, camera.height)
        return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)

    def hits(self, camera: Camera, t_ns: int) -> Hits:
        """Say what is seen at the middle of each pixel, in double precision."""
        seconds = t_ns / 1e9
        grid = camera.grid(1, np.float64)
        depth, points = _room_met(camera, seconds, grid)
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
            world = rotate(turned, hits.points[:, there]) + at[:, None]
            seen[:, there] = rotate(rotation, world) + shift[:, None]
        flat = rotate(camera.intrinsics, seen / seen[2])
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
            window = window_of(body.radius, rotation @ at + shift, grid)
            cut = (grid[0][:, window[1]], grid[1][window[0]])
            if not (cut[0].size and cut[1].size):
                continue  # beside the picture
            # The rays in the body's own frame: from `start`, along `along` at depth 1.
            start = turned.T @ (rotation.T @ -shift - at)
            cast = cast_ball if body.kind == "ball" else cast_box
            near, points = cast(start, directions(turned.T @ rotation.T, cut), body.half)
            nearer = near < depth[window]
            depth[window] = np.minimum(near, depth[window])
            yield number, window, nearer, points

    def _empty_room(self, camera: Camera, seconds: float, grid: Grid) -> tuple[Array, Array]:
        key = (camera, seconds if camera.orbit else 0.0)
        if key not in self._empty:
            self._empty.clear()  # one is enough: a camera's pictures are made in one go
            depth, points = _room_met(camera, seconds, grid)
            self._empty[key] = (
                shade(self.room, points, _HALF_ROOM, _ROOM_TEXELS),
                depth,
            )
        return self._empty[key]


def texture(
    rng: np.random.Generator, side: int, *, base: Array, contrast: float
) -> npt.NDArray[np.uint8]:
    """Return (side, side, 3) of band-limited noise around a colour; it tiles without seams.

    No detail is finer than about four texels, so that any camera samples it well; most of it is
    luma, as in nature, and the little colour is coarse.
    """
    turns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    square = turns[0] ** 2 + turns[1] ** 2
    square[0, 0] = 1  # the mean is the base colour
    layers = []
    for finest, falloff in ((0.2, 0.8), (0.03, 0.5), (0.03, 0.5)):
        spectrum = np.fft.rfft2(rng.standard_normal((side, side)))
        spectrum *= square ** (-falloff / 2) * np.exp(square / -(finest**2))
        spectrum[0, 0] = 0
        layer = np.fft.irfft2(spectrum, (side, side))
        layers.append(layer / layer.std())
    luma, warm, green = layers
    mix = np.stack([luma + 0.5 * warm, luma + 0.35 * green, luma - 0.5 * warm], axis=-1)
    return np.asarray(np.clip(base + contrast * mix, 4, 251).round(), np.uint8)


def _body(rng: np.random.Generator, number: int, of: int) -> Body:
    kind: Literal["ball", "box"] = "ball" if number % 2 else "box"
    half = np.full(3, rng.uniform(0.36, _LARGEST))
    if kind == "box":
        half = rng.uniform(0.26, _LARGEST, 3)
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
        texture=texture(rng, tile_side(_LARGEST, _BODY_TEXELS), base=base, contrast=38),
    )


def _room_met(camera: Camera, seconds: float, grid: Grid) -> tuple[Array, Array]:
    rotation, shift = camera.pose(seconds)
    return cast_room(rotation.T @ -shift, directions(rotation.T, grid), _HALF_ROOM)
