"""Reads a person's joints: a turned crop in, 33 joints, a mask and the next crop out.

Reads and writes nothing. Joints are those of `joints.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.pose.joints import JOINTS
from tasks.pose.region import region_around

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.pose.region import Region

    Floats = npt.NDArray[np.float32]
    Picture = npt.NDArray[np.uint8]

SIDE = 256
# The network's mask is averaged to this inside it: 1/4, still finer than what is stored.
MASK_SIDE = 64
# Joints are moved to the heat within 3 cells around.
HEAT_SIDE, HEAT_REACH, LEAST_HEAT = 64, 3, 0.5
# Two points after the joints tell where the next crop is.
MIDDLE, REACH = 33, 34
LEAST_PRESENCE = 0.5


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one picture.

    `joints` (33, 4) float32: x and y 0 to 1 across the picture, z in picture widths (less is
    nearer, from the hips' middle), visibility 0 to 1. `score` is how sure it is that there is
    somebody. `region` is where to look next; `mask` (64, 64) float32 is the probability of
    person inside `crop`.
    """

    joints: Floats
    score: float
    crop: Region
    region: Region
    mask: Floats

    @property
    def box(self) -> Floats:
        """The joints' bounding box: x0, y0, x1, y1."""
        return box_of(self.joints)


def box_of(joints: Floats) -> Floats:
    """Return the bounding boxes (..., 4) of joints (..., 33, 2 or more)."""
    places = joints[..., :2]
    return np.concatenate([places.min(axis=-2), places.max(axis=-2)], axis=-1)


def cropped(picture: Picture, region: Region, aspect: tuple[float, float]) -> Picture:
    """Return a region of a picture (S, S, 3) that was squashed, unsquashed: (256, 256, 3)."""
    back = region.crop_map(SIDE, aspect, len(picture))
    crop: Picture = cv2.warpAffine(
        picture, back, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return crop


def refined(points: Floats, heat: Floats) -> Floats:
    """Return points (39, 2), in crop pixels, moved to the centre of heat around them.

    `heat` (64, 64, 39) are logits. Points whose 7 x 7 cells are nowhere likelier than not stay.
    On four real cameras this takes the median error of triangulated joints from 22 to 17 px.
    """
    cell = np.floor(points * (HEAT_SIDE / SIDE)).astype(np.int64)
    inside = ((cell >= 0) & (cell < HEAT_SIDE)).all(axis=1)
    reach = np.arange(-HEAT_REACH, HEAT_REACH + 1)
    x = cell[:, 0, None, None] + reach[None, None, :]
    y = cell[:, 1, None, None] + reach[None, :, None]
    known = (x >= 0) & (x < HEAT_SIDE) & (y >= 0) & (y < HEAT_SIDE)
    at = (y.clip(0, HEAT_SIDE - 1), x.clip(0, HEAT_SIDE - 1), np.arange(len(points))[:, None, None])
    likely = np.where(known, 1 / (1 + np.exp(-np.clip(heat[at], -50, 50))), 0)
    total = likely.sum(axis=(1, 2))
    moved = inside & (likely.max(axis=(1, 2)) >= LEAST_HEAT)
    centre = np.stack([(likely * x).sum(axis=(1, 2)), (likely * y).sum(axis=(1, 2))], axis=1)
    placed = centre / np.maximum(total, 1e-6)[:, None] * (SIDE / HEAT_SIDE)
    return np.where(moved[:, None], placed, points).astype(np.float32)


def person_of(
    answers: Sequence[Floats], crop: Region, aspect: tuple[float, float]
) -> Person | None:
    """Return who the network sees in a crop, or None where it sees nobody.

    `answers`: (195,) = 39 points x (x, y, z in crop pixels, visibility and presence as logits),
    (1,) presence, (64, 64, 39) heat, (64, 64) mask.
    """
    score = float(answers[1].reshape(-1)[0])
    points = answers[0].reshape(-1, 5)
    if score < LEAST_PRESENCE or not np.isfinite(points).all():
        return None
    places = crop.to_picture(refined(points[:, :2], answers[2][0]) / np.float32(SIDE))
    joints = np.empty((JOINTS, 4), np.float32)
    joints[:, :2] = places[:JOINTS] / np.array(aspect, np.float32)
    joints[:, 2] = points[:JOINTS, 2] * (crop.side / SIDE / aspect[0])
    joints[:, 3] = 1 / (1 + np.exp(-np.clip(points[:JOINTS, 3], -50, 50)))
    mask = answers[3].reshape(MASK_SIDE, MASK_SIDE)
    return Person(joints, score, crop, region_around(places[MIDDLE], places[REACH]), mask)


def placed_mask(mask: Floats, crop: Region, aspect: tuple[float, float], side: int) -> Floats:
    """Return a crop's mask in the picture squashed to `side`: (side, side), 0 outside the crop."""
    forth = crop.crop_map(MASK_SIDE, aspect, side)
    placed: Floats = cv2.warpAffine(mask, forth, (side, side), flags=cv2.INTER_LINEAR)
    return placed
