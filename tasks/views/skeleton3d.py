"""View *skeleton3d*: the joints of up to two people in space, from all cameras of a rig at once.

Computed from the feature *skeleton* of the calibrated cameras; needs no asset and no video.
Lengths are in the calibration's own unit. All cameras of a clip have the same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.pose.joints import BONES, JOINTS
from tasks.rigs.same_people import SLOTS, swapped
from tasks.rigs.triangulate import robust
from tasks.views.drawing import COLOURS, ground, to_pixels
from tasks.views.view import ArraySpec, Feature, ViewSpec, absent

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel
    from tasks.views.rig import RigClip, RigView

    Floats = npt.NDArray[np.float64]

# A picture this much smaller than calibrated had its coded blocks' padding cut off, right and
# below (Pose2Sim: 1080 of 1088 columns); another size is the same picture, scaled.
PADDING = 15

SPEC = ViewSpec(
    name="skeleton3d",
    parameters={"people": SLOTS},
    scales=(),
    # float32: of millimetres half precision would leave steps of 4.
    arrays=(ArraySpec("joints", (SLOTS, JOINTS, 5), "float32"),),
    cost_ms=4.0,
    inputs=("skeleton",),
    given="calibration",
)


@dataclass(frozen=True)
class Skeleton3dKind:
    """The view *skeleton3d*; there is nothing to load."""

    spec: ViewSpec = SPEC

    def load(self) -> RigView:
        """Return the view."""
        return Skeleton3d()


class Skeleton3d:
    """Joints that at least two cameras agree on."""

    def compute(self, clip: RigClip) -> dict[str, Feature]:
        """Return for each camera x, y, z, reprojection error in pixels and cameras used, a joint.

        Pixels are those of the calibration. Joints no two cameras agree on are zero; steps at
        which there is none are masked.
        """
        feature = self._feature(clip)
        return dict.fromkeys(clip.sizes, feature)

    def _feature(self, clip: RigClip) -> Feature:
        steps = len(clip.times_ns)
        skeletons = clip.features["skeleton"]
        names = sorted(
            name for name in clip.cameras if name in skeletons and skeletons[name].mask.any()
        )
        if len(names) < 2:
            return absent(SPEC, steps, f"{len(names)} calibrated cameras see a person, not 2")
        cameras = [clip.cameras[name] for name in names]
        joints = np.stack([skeletons[name].arrays[0].astype(np.float64) for name in names])
        pixels = np.stack(
            [
                camera_pixels(camera, places[..., :2], clip.sizes[name])
                for camera, name, places in zip(cameras, names, joints, strict=True)
            ]
        )
        weights = joints[..., 3]
        for camera, swap in enumerate(swapped(cameras, pixels, weights)):
            if swap:
                pixels[camera] = pixels[camera][:, ::-1]
                weights[camera] = weights[camera][:, ::-1]
        placed = robust(cameras, pixels.reshape(len(names), -1, 2), weights.reshape(len(names), -1))
        known = placed.cameras >= 2
        stored = np.zeros((len(known), 5), np.float32)
        stored[known, :3], stored[known, 3] = placed.points[known], placed.error_px[known]
        stored[known, 4] = placed.cameras[known]
        mask = np.asarray(known.reshape(steps, -1).any(axis=1))
        if not mask.any():
            return absent(SPEC, steps, "no two cameras agree on where a joint is")
        return Feature((stored.reshape(steps, SLOTS, JOINTS, 5),), (1.0,), mask)

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  it is a map by itself
    ) -> npt.NDArray[np.uint8]:
        """Return the bones seen from the side from which the clip's people are widest, upright."""
        seen = bool(feature.mask[step])
        picture = ground(None, None if seen else feature.absent or "nobody")
        joints = feature.arrays[0].astype(np.float64)
        known = joints[..., 4] > 0
        if not seen or known.sum() < JOINTS:
            return picture
        flat = _flattened(joints[..., :3], known)
        for slot, places in enumerate(to_pixels(flat[step], picture)):
            for one, other in BONES:
                if known[step, slot, one] and known[step, slot, other]:
                    ends = (places[one].tolist(), places[other].tolist())
                    cv2.line(picture, *ends, COLOURS[slot], 2, cv2.LINE_AA)
        return picture


def camera_pixels(camera: CameraModel, places: Floats, size: tuple[int, int]) -> Floats:
    """Return places (..., 2), 0 to 1 across a picture of `size`, as pixels of the calibration."""
    calibrated = np.array([camera.width, camera.height])
    short = calibrated - np.array(size)
    cut = bool(((short >= 0) & (short <= PADDING)).all())
    return np.asarray(places * (np.array(size) if cut else calibrated) - 0.5)


def _flattened(points: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Return points (T, P, J, 3) in a picture, 0 to 1: up is where heads are over feet."""
    cloud = points[known]
    heads, feet = (points[:, :, part][known[:, :, part]] for part in (slice(0, 11), slice(27, 33)))
    if not len(heads) or not len(feet):
        heads, feet = cloud - np.array([0.0, 1.0, 0.0]), cloud
    up = heads.mean(axis=0) - feet.mean(axis=0)
    up /= np.linalg.norm(up) or 1.0
    level = cloud - cloud.mean(axis=0)
    level = level - (level @ up)[:, None] * up
    _, _, directions = np.linalg.svd(level, full_matrices=False)
    flat = np.stack([points @ directions[0], -(points @ up)], axis=-1)
    low, high = flat[known].min(axis=0), flat[known].max(axis=0)
    flat = (flat - (low + high) / 2) / (max(float((high - low).max()), 1e-9) * 1.1) + 0.5
    return np.where(known[..., None], flat, 0.0)
