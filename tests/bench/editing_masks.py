"""What following and finding a region must beat, and the rendered takes they are judged on.

Renders with `tasks/synthetic/world.py`; reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.editing.evidence import dilated
from tasks.editing.following import flow, warped
from tasks.rigs.calibration import CameraModel, row, rows
from tasks.synthetic.world import Camera, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

AZIMUTHS, STEP_NS = (-0.5, 0.0, 0.55), 40_000_000
SMALLEST_PX = 400


@dataclass(frozen=True)
class Take:
    """A rendered session: pictures and object ids of each camera, and how it is calibrated."""

    world: World
    cameras: tuple[Camera, ...]
    pictures: list[list[Pixels]]
    ids: list[list[npt.NDArray[np.int16]]]

    def models(self) -> list[CameraModel]:
        """Return the cameras as calibrated."""
        return [model_of(camera) for camera in self.cameras]

    def masks(self, camera: int, body: int) -> list[Bools]:
        """Return where a body is seen, a frame."""
        return [ids == body for ids in self.ids[camera]]

    def bodies(self, camera: int, frame: int) -> list[int]:
        """Return the bodies that a user could mark there."""
        found = range(1, len(self.world.bodies) + 1)
        return [one for one in found if (self.ids[camera][frame] == one).sum() >= SMALLEST_PX]


def take(seed: int, frames: int, size: tuple[int, int] = (320, 240)) -> Take:
    """Render a session of three still cameras, some 30 degrees apart."""
    world = World(seed)
    cameras = tuple(Camera(*size, around, -0.1 - 0.07 * k) for k, around in enumerate(AZIMUTHS))
    times = [k * STEP_NS for k in range(frames)]
    pictures = [[world.picture(camera, t) for t in times] for camera in cameras]
    ids = [[np.asarray(world.hits(camera, t).ids) for t in times] for camera in cameras]
    return Take(world, cameras, pictures, ids)


def model_of(camera: Camera) -> CameraModel:
    turn, shift = camera.pose(0.0)
    lens = (0.0, 0.0, 0.0, 0.0, 0.0)
    return CameraModel(
        "camera", camera.width, camera.height, rows(camera.intrinsics), lens, rows(turn), row(shift)
    )


def with_pictures(take: Take, camera: int, shown: Sequence[Pixels], at: int) -> Take:
    """Return the take with other pictures of one camera, one of them at frame `at`."""
    pictures = [list(one) for one in take.pictures]
    middle = len(shown) // 2
    pictures[camera] = [shown[0]] * at + [shown[middle]] + [shown[-1]] * (len(pictures[0]) - at - 1)
    return replace(take, pictures=pictures)


def without(world: World, body: int) -> World:
    """Return the world without one body: what removing it exactly would show."""
    made = _copied(world)
    made.bodies = [one for number, one in enumerate(world.bodies, start=1) if number != body]
    return made


def painted(world: World, body: int, texture: Pixels) -> World:
    """Return the world with another texture on one body."""
    made = _copied(world)
    made.bodies = [
        replace(one, texture=texture) if number == body else one
        for number, one in enumerate(world.bodies, start=1)
    ]
    return made


def _copied(world: World) -> World:
    made = object.__new__(World)
    made.__dict__.update(world.__dict__)
    made._empty = {}
    return made


def frozen(mask: Bools, count: int) -> list[Bools]:
    return [mask] * count


def dis_chain(pictures: Sequence[Pixels], mask: Bools) -> list[Bools]:
    """From frame 0 on: each mask looked up in the one before."""
    soft, found = mask.astype(np.float32), [mask]
    for before, after in pairwise(pictures):
        soft = warped(soft, flow(after, before))
        found.append(soft > 0.5)
    return found


def planar(pictures: Sequence[Pixels], mask: Bools) -> list[Bools]:
    """A planar tracker: corners in the region (Lucas-Kanade), a homography by RANSAC a step."""
    found, soft = [mask], mask.astype(np.float32)
    for before, after in pairwise(pictures):
        step = _step(before, after, soft > 0.5)
        if step is not None:
            soft = cv2.warpPerspective(soft, step, soft.shape[::-1])
        found.append(soft > 0.5)
    return found


def _step(before: Pixels, after: Pixels, mask: Bools) -> npt.NDArray[np.float64] | None:
    greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (before, after)]
    corners = cv2.goodFeaturesToTrack(greys[0], 200, 0.01, 3, mask=mask.astype(np.uint8))
    if corners is None or len(corners) < 6:
        return None
    moved, status, _ = cv2.calcOpticalFlowPyrLK(*greys, corners, None)
    good = status.ravel() > 0
    if good.sum() < 6:
        return None
    cv2.setRNGSeed(0)
    step, _ = cv2.findHomography(corners[good], moved[good], cv2.RANSAC, 2.0)
    return step


def by_affinity(features: Sequence[Tensor], mask: Bools) -> list[Bools]:
    """Top-k affinity to the first frame and the last two alone, cells made large again."""
    import torch

    from models.affinity import carried

    size = features[0].shape[:0:-1]
    first = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    labels, found = [torch.from_numpy(first)], [mask]
    for k in range(1, len(features)):
        past = sorted({0, *range(max(0, k - 2), k)})
        taken, _ = carried(
            torch.stack([features[j] for j in past]),
            torch.stack([labels[j] for j in past]),
            features[k],
            radius=5,
        )
        labels.append(taken)
        whole = cv2.resize(taken.numpy(), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        found.append(np.asarray(whole > 0.5))
    return found


def by_matches(picture: Pixels, other: Pixels, mask: Bools) -> Bools:
    """Across cameras: the homography of SIFT matches around the region (RANSAC)."""
    sift = cv2.SIFT.create(nfeatures=1500, contrastThreshold=0.01)
    greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (picture, other)]
    near = dilated(mask, 8).astype(np.uint8)
    (ours, one), (theirs, two) = (
        sift.detectAndCompute(grey, where) for grey, where in zip(greys, (near, None), strict=True)
    )
    empty = np.zeros(other.shape[:2], bool)
    if one is None or two is None or len(two) < 2:
        return empty
    pairs = [
        pair[0]
        for pair in cv2.BFMatcher().knnMatch(one, two, k=2)
        if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance
    ]
    if len(pairs) < 6:
        return empty
    cv2.setRNGSeed(0)
    found, _ = cv2.findHomography(
        np.array([ours[p.queryIdx].pt for p in pairs]),
        np.array([theirs[p.trainIdx].pt for p in pairs]),
        cv2.RANSAC,
        3.0,
    )
    if found is None:
        return empty
    shown = cv2.warpPerspective(mask.astype(np.float32), found, other.shape[1::-1])
    return np.asarray(shown > 0.5)


def by_plane(camera: CameraModel, other: CameraModel, mask: Bools) -> Bools:
    """Across calibrated cameras: the plane through the rig's middle that faces the camera."""
    middle = np.zeros(3)  # of the world's rigs
    turn, shift = np.array(camera.rotation), np.array(camera.translation)
    away = float((turn @ middle + shift)[2])
    other_turn, other_shift = np.array(other.rotation), np.array(other.translation)
    between = other_turn @ turn.T
    move = other_shift - between @ shift
    onto = np.array(other.matrix) @ (between + np.outer(move, [0, 0, 1 / away]))
    homography = onto @ np.linalg.inv(np.array(camera.matrix))
    shown = cv2.warpPerspective(mask.astype(np.float32), homography, (other.width, other.height))
    return np.asarray(shown > 0.5)
