"""Pictures with true inverse depth to learn and judge depth by, from two renderers.

`world` is our own (`world.py`: a textured room with moving bodies), `engine` is that of pybullet
(`rendering.py`: rooms and open ground, objects, people). Reads and writes nothing; everything
follows from the numbers of the scenes, so that a split by scene is a split by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from tasks.synthetic.rendering import Scene
from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

Renderer = Literal["world", "engine"]
SIDE, CELLS = 112, 28
# Pictures are rendered larger and averaged down, as a lens and a scaler would; of several shapes,
# because the pictures of a view are squashed to a square. Width, height.
_SHAPES = ((224, 224), (256, 192), (288, 162), (288, 162), (162, 288))
# Held-out scenes are numbered from here; no training run has so many scenes.
HELDOUT_FROM = 1 << 20
# A body is at most 2.75 m from the middle: nearer cameras might stand inside of one.
_NEAREST_CAMERA = 3.2


@dataclass(frozen=True)
class DepthViews:
    """Pictures `rgb` (N, 112, 112, 3) uint8, their `inverse` depth (N, 28, 28) float32 in 1/m.

    Inverse depth is averaged over each cell; 0 is the sky. `scenes` (N,) are the scenes' numbers.
    """

    rgb: npt.NDArray[np.uint8]
    inverse: npt.NDArray[np.float32]
    scenes: npt.NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Iterable[DepthViews]) -> DepthViews:
        """Return all parts, one after the other."""
        found = list(parts)
        return cls(
            np.concatenate([part.rgb for part in found]),
            np.concatenate([part.inverse for part in found]),
            np.concatenate([part.scenes for part in found]),
        )


def render_views(renderer: Renderer, scenes: Iterable[int], views: int) -> DepthViews:
    """Render `views` pictures of each scene, from random cameras at random instants.

    About 25 ms a picture on one core, of either renderer.

    Raises:
        RendererMissingError: `engine` is asked for and pybullet is not installed.
    """
    draw = {"world": _world_views, "engine": _engine_views}[renderer]
    pictures, inverses, numbers = [], [], []
    for scene in scenes:
        for rgb, inverse in draw(scene, views):
            pictures.append(_small(rgb, SIDE))
            inverses.append(_small(inverse, CELLS))
            numbers.append(scene)
    return DepthViews(np.stack(pictures), np.stack(inverses), np.array(numbers, np.int64))


def _small(picture: npt.NDArray[np.generic], side: int) -> npt.NDArray[np.generic]:
    found: npt.NDArray[np.generic] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return found


@dataclass(frozen=True)
class FreeCamera(Camera):
    """A camera of our own renderer that stands anywhere: `eye` looks at `target`, `roll` radians.

    y is down, as in that world.
    """

    eye: tuple[float, float, float] = (0.0, 0.0, -5.0)
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    roll: float = 0.0

    def pose(self, seconds: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:  # noqa: ARG002
        """Return R (3, 3) and t (3,); it does not move."""
        eye = np.array(self.eye)
        ahead = np.array(self.target) - eye
        ahead /= np.linalg.norm(ahead)
        right = np.cross([0.0, 1.0, 0.0], ahead)
        right /= np.linalg.norm(right)
        down = np.cross(ahead, right)
        turned = np.cos(self.roll) * right + np.sin(self.roll) * down
        rotation = np.stack([turned, np.cross(ahead, turned), ahead])
        return rotation, -rotation @ eye


def random_camera(rng: np.random.Generator, size: tuple[int, int]) -> FreeCamera:
    """Return a camera in the room of `World` that looks at its middle, a little aside."""
    around, away = rng.uniform(-np.pi, np.pi), rng.uniform(_NEAREST_CAMERA, 6.3)
    eye = (away * np.cos(around), rng.uniform(-2.0, 1.6), away * np.sin(around))
    target = rng.uniform([-1.2, -0.6, -1.2], [1.2, 0.6, 1.2])
    focal = max(size) / 2 / np.tan(np.radians(rng.uniform(35, 75)) / 2)
    return FreeCamera(
        *size,
        focal=float(focal),
        eye=(float(eye[0]), float(eye[1]), float(eye[2])),
        target=(float(target[0]), float(target[1]), float(target[2])),
        roll=float(rng.normal(0, 0.05)),
    )


Picture = tuple["npt.NDArray[np.uint8]", "npt.NDArray[np.float32]"]


def _world_views(scene: int, views: int) -> list[Picture]:
    rng = np.random.default_rng([scene, 0xD3])
    world = World(scene, int(rng.integers(3, 9)))
    found = []
    for _ in range(views):
        camera, t_ns = random_camera(rng, _shape(rng)), int(rng.integers(0, 20_000_000_000))
        depth = world.hits(camera, t_ns).depth
        found.append((world.picture(camera, t_ns), (1 / depth).astype(np.float32)))
    return found


def _engine_views(scene: int, views: int) -> list[Picture]:
    rng = np.random.default_rng([scene, 0xE6])
    found = []
    with Scene(scene) as stage:
        for _ in range(views):
            seen = stage.render(stage.random_camera(*_shape(rng)), rng.uniform(0, 4))
            found.append((seen.rgb, seen.inverse_depth))
    return found


def _shape(rng: np.random.Generator) -> tuple[int, int]:
    return _SHAPES[int(rng.integers(len(_SHAPES)))]
