"""Clocks of calibrated cameras by one person's joints: at the right shifts the rays of joints meet.

Used by `eval_pose.py`. The cost of two cameras at a shift is the mean distance between their rays
of the same joint (capped, by visibility); all whole shifts of all cameras are tried at once.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tasks.triangulate import undistorted
from tasks.views.skeleton3d import camera_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.calibration import CameraModel

    Floats = npt.NDArray[np.float64]

# Frames either way of the first camera; of what rays are farther apart (the calibration's unit,
# millimetres) nothing more is learnt.
REACH, CAP = 30, 120.0
DRAWS, MOST_SHIFT, LEAST_COMMON = 20, 15, 20


def judge_clocks(
    cameras: Sequence[CameraModel], joints: Floats, sizes: Sequence[tuple[int, int]]
) -> None:
    """Print the error of found shifts in frames, over random shifts of joints (V, T, 33, 4)."""
    places, ways = zip(
        *[rays(c, one, size) for c, one, size in zip(cameras, joints, sizes, strict=True)],
        strict=True,
    )
    random = np.random.default_rng(0)
    off = []
    for _ in range(DRAWS):
        starts = np.append(0, random.integers(-MOST_SHIFT, MOST_SHIFT + 1, len(cameras) - 1))
        starts -= starts.min()
        length = joints.shape[1] - starts.max()
        kept = [slice(start, start + length) for start in starts]
        found = shifts(
            places,
            [way[part] for way, part in zip(ways, kept, strict=True)],
            [one[part, :, 3] for one, part in zip(joints, kept, strict=True)],
        )
        off.append(found + starts - starts[0])
    errors = np.abs(np.array(off))[:, 1:]
    each = np.median(errors, axis=0)
    print(f"\nclocks by pose: off by {np.median(errors):.2f} frames (median), "
          f"{errors.mean():.2f} (mean); each camera's median {each}")  # fmt: skip


def rays(camera: CameraModel, joints: Floats, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return where a camera stands (3,) and the directions (T, 33, 3) of its joints (T, 33, 4)."""
    pixels = camera_pixels(camera, joints[..., :2].astype(np.float64), size)
    flat = undistorted(camera, pixels.reshape(-1, 2))
    turn = np.array(camera.rotation)
    ways = np.column_stack([flat, np.ones(len(flat))]) @ turn
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    return -turn.T @ np.array(camera.translation), ways.reshape(*joints.shape[:2], 3)


def shifts(
    places: Sequence[Floats], ways: Sequence[Floats], weights: Sequence[Floats]
) -> npt.NDArray[np.int64]:
    """Return the frames by which each camera's clock is behind the first's."""
    count, reach = len(places), np.arange(-REACH, REACH + 1)
    total = np.zeros((len(reach),) * (count - 1))
    grid = [np.zeros((1,) * (count - 1), int), *np.meshgrid(*[reach] * (count - 1), indexing="ij")]
    for i, j in combinations(range(count), 2):
        costs = [
            cost(places[j] - places[i], ways[i], ways[j], weights[i], weights[j], shift)
            for shift in range(-2 * REACH, 2 * REACH + 1)
        ]
        total += np.array(costs)[grid[j] - grid[i] + 2 * REACH]
    best = np.unravel_index(int(total.argmin()), total.shape)
    return np.array([0, *[reach[k] for k in best]])


def cost(
    apart: Floats, one: Floats, other: Floats, sure: Floats, known: Floats, shift: int
) -> float:
    """Return the mean distance of rays, the other camera's taken `shift` frames later."""
    low, high = max(0, -shift), min(len(one), len(other) - shift)
    if high - low < LEAST_COMMON:
        return CAP
    normal = np.cross(one[low:high], other[low + shift : high + shift])
    length = np.maximum(np.linalg.norm(normal, axis=-1), 1e-3)
    distance = np.minimum(np.abs(normal @ apart) / length, CAP)
    weight = sure[low:high] * known[low + shift : high + shift]
    return float((weight * distance).sum() / weight.sum())
