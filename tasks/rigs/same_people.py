"""Who is who between cameras: slots of several cameras' skeletons tied to the same people.

Pure. Each pair of slots of two cameras is triangulated as if it were one person; of all ways to
name the slots, the one with the least reprojection error is taken.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from tasks.rigs.triangulate import errors_px, linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]

SLOTS = 2
# Fewer joints seen by both say nothing of a pair.
LEAST_JOINTS = 20
# Two people's joints are this many picture sides off each other's rays; one person's a third.
CHANCE = 0.03
# Every third step is enough to tell two people apart.
STRIDE = 3
# 2^9 ways to name slots are tried one by one; of more cameras each is tied to those before it.
MOST_TRIED = 10


def swapped(
    cameras: Sequence[CameraModel], pixels: Floats, weights: Floats
) -> npt.NDArray[np.bool_]:
    """Tell for each camera whether its two slots are to be swapped: (V,), camera 0's are not.

    `pixels` (V, T, 2, J, 2) and `weights` (V, T, 2, J), 0 where nothing is seen.
    """
    gains = _gains(cameras, pixels[:, ::STRIDE], weights[:, ::STRIDE])
    count = len(cameras)
    if count <= MOST_TRIED:
        ways = [np.array([0, *way]) for way in product((0, 1), repeat=count - 1)]
        return np.asarray(max(ways, key=lambda way: _total(gains, way)), bool)
    way = np.zeros(1, np.int64)
    for _ in range(1, count):
        way = max((np.append(way, flip) for flip in (0, 1)), key=lambda one: _total(gains, one))
    return np.asarray(way, bool)


def _gains(cameras: Sequence[CameraModel], pixels: Floats, weights: Floats) -> Floats:
    """Return how well slot a of camera i and slot b of camera j are one person: (V, V, 2, 2).

    0: no better than chance, 1: without error.
    """
    count = len(cameras)
    gains = np.zeros((count, count, SLOTS, SLOTS))
    for i, j in combinations(range(count), 2):
        pair = [cameras[i], cameras[j]]
        side = max(pair[0].width, pair[0].height, pair[1].width, pair[1].height)
        for a, b in product(range(SLOTS), repeat=2):
            seen = np.stack([pixels[i, :, a], pixels[j, :, b]]).reshape(2, -1, 2)
            sure = np.minimum(weights[i, :, a], weights[j, :, b]).ravel() > 0.5
            if sure.sum() >= LEAST_JOINTS:
                seen = seen[:, sure]
                points = linear(pair, seen, np.ones(seen.shape[:2]))
                off = errors_px(pair, points, seen).mean(axis=0)
                off = float(np.median(np.where(np.isfinite(off), off, side))) / side
                gains[i, j, a, b] = max(0.0, 1 - off / CHANCE)
    return gains


def _total(gains: Floats, way: npt.NDArray[np.int64]) -> float:
    """Return the sum of gains over pairs of cameras, under one way to name the slots."""
    total = 0.0
    for i, j in combinations(range(len(way)), 2):
        for person in range(SLOTS):
            total += float(gains[i, j, person ^ way[i], person ^ way[j]])
    return total
