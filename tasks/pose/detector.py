"""Finds people: the BlazePose detector's pictures in, its boxes and two points of each person out.

Reads and writes nothing. The network is an SSD over 28 x 28, 14 x 14 and 7 x 7 cells (Bazarevsky
et al. 2020, after Liu et al., "SSD", 2016): each anchor is a point, each answer a box and four
points, of which the middle of the hips and the body's reach above it are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.kernels.overlap import overlaps
from tasks.pose.region import region_around

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.pose.region import Region

    Floats = npt.NDArray[np.float32]
    Picture = npt.NDArray[np.uint8]

SIDE = 224
# Cells of each map and anchors of each cell: strides 8, 16 and three layers of 32, two a layer.
MAPS = ((28, 2), (14, 2), (7, 6))
# .5 as published misses people behind others; what is found below is verified by its joints. At .4
# nobody more is found where nobody is, at .3 a cartoon has two.
LEAST_SCORE = 0.4
# Answers that overlap by this much are one person's.
SAME = 0.3


@dataclass(frozen=True, slots=True)
class Detection:
    """Somebody: where the crop for the joints is, and how sure the detector is (0 to 1)."""

    region: Region
    score: float


@cache
def anchors() -> Floats:
    """Return the anchors' places (2254, 2), x first, 0 to 1 across the picture."""
    found = []
    for cells, each in MAPS:
        along = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(along, along, indexing="ij")
        found.append(np.repeat(np.stack([x.ravel(), y.ravel()], -1), each, axis=0))
    return np.concatenate(found)


def letterboxed(picture: Picture, aspect: tuple[float, float]) -> Picture:
    """Return a picture (S, S, 3) that was squashed in its true aspect, black around: (224, 224, 3).

    It stands in the middle; the longer side fills.
    """
    width, height = (max(1, round(SIDE * share)) for share in aspect)
    boxed = np.zeros((SIDE, SIDE, 3), np.uint8)
    left, top = (SIDE - width) // 2, (SIDE - height) // 2
    inside = boxed[top : top + height, left : left + width]
    inside[:] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return boxed


def decoded(
    answers: Floats, logits: Floats, aspect: tuple[float, float], most: int
) -> list[Detection]:
    """Return at most `most` people, the surest first, from (2254, 12) answers, (2254,) logits.

    Answers that overlap are averaged by their scores, not suppressed: steadier from step to step.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    kept = np.flatnonzero(scores > LEAST_SCORE)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    points = answers[kept] / SIDE
    points[:, :2] += anchors()[kept]
    points[:, 4:] += np.tile(anchors()[kept], 4)
    corners = np.concatenate(
        [points[:, :2] - points[:, 2:4] / 2, points[:, :2] + points[:, 2:4] / 2], 1
    )
    scores = scores[kept]
    # Of the letterboxed picture, in its side; the black bars are left out of the places.
    shift = np.array([(1 - aspect[0]) / 2, (1 - aspect[1]) / 2], np.float32)
    people: list[Detection] = []
    while len(corners) and len(people) < most:
        same = overlaps(corners[:1], corners)[0] > SAME
        same[0] = True
        weight = scores[same, None] / scores[same].sum()
        middle, reach = ((points[same, k : k + 2] * weight).sum(0) - shift for k in (4, 6))
        people.append(Detection(region_around(middle, reach), float(scores[0])))
        corners, points, scores = corners[~same], points[~same], scores[~same]
    return people
