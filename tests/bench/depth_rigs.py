"""Rigs with true depth to judge stereo by: rendered by pybullet, by our own world, and posed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.rigs.calibration import CameraModel, row, rows
from tasks.rigs.pinhole import looking
from tasks.synthetic.rendering import Scene
from tasks.synthetic.world import Camera, World
from tasks.views.rig import RigClip
from tasks.views.view import Feature

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

CELLS = 28


@dataclass(frozen=True)
class Seen:
    """One camera of a rig at one instant: its picture and true inverse depth, any size."""

    model: CameraModel
    rgb: npt.NDArray[np.uint8]
    inverse: npt.NDArray[np.float32]

    @property
    def truth(self) -> npt.NDArray[np.float32]:
        """True inverse depth (28, 28)."""
        small = cv2.resize(self.inverse, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32)


def rig_clip(cameras: Sequence[Seen]) -> RigClip:
    """Return a clip of one step, with the thumbnails that the view gets."""
    features, models, sizes = {}, {}, {}
    for number, seen in enumerate(cameras):
        small = cv2.resize(seen.rgb, (112, 112), interpolation=cv2.INTER_AREA)
        coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]
        name = f"cam{number}"
        features[name] = Feature((picture[None].copy(),), (1.0,), np.ones(1, bool))
        models[name] = replace(seen.model, name=name)
        sizes[name] = (seen.model.width, seen.model.height)
    return RigClip(np.zeros(1, np.int64), models, sizes, {"thumbnail": features})


def engine_pair(scene: int, baseline_m: float) -> list[Seen]:
    """Two parallel cameras side by side in a scene of pybullet."""
    with Scene(scene) as stage:
        pair = stage.random_pair(256, 192, baseline_m)
        seen = [stage.render(camera) for camera in pair]
    return [Seen(one.camera, one.rgb, one.inverse_depth) for one in seen]


def engine_ring(scene: int, apart_deg: float, count: int) -> list[Seen]:
    """Cameras around a person in a scene of pybullet, `apart_deg` from one to the next."""
    rng = np.random.default_rng(scene)
    with Scene(scene, person=True) as stage:
        away = rng.uniform(2.5, 4.0)
        if stage.indoors:
            away = min(away, float(stage.half[[0, 2]].min()) - 0.3)
        first, found = rng.uniform(-np.pi, np.pi), []
        for number in range(count):
            around = first + np.radians(apart_deg) * number
            eye = np.array([away * np.cos(around), 1.3, away * np.sin(around)])
            camera = looking(eye, np.array([0, 0.8, 0]), 230.0, (256, 192))
            one = stage.render(camera, 0.5)
            found.append(Seen(camera, one.rgb, one.inverse_depth))
    return found


def world_rig(seed: int, azimuths: Sequence[float]) -> list[Seen]:
    """Cameras on the circle of our own world: the takes of the synthetic archive."""
    world, t_ns, found = World(seed), int(seed % 7 * 3e8), []
    for number, azimuth in enumerate(azimuths):
        camera = Camera(240, 176, azimuth, -0.1 - 0.07 * number)
        rotation, shift = camera.pose(t_ns / 1e9)
        flat = (0.0, 0.0, 0.0, 0.0, 0.0)
        model = CameraModel(
            "camera", 240, 176, rows(camera.intrinsics), flat, rows(rotation), row(shift)
        )
        depth = world.hits(camera, t_ns).depth
        found.append(Seen(model, world.picture(camera, t_ns), (1 / depth).astype(np.float32)))
    return found
