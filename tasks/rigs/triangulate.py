"""Places in space from what several calibrated cameras see of them, and how well they agree.

Pure. `linear` is the direct linear transform (Hartley & Zisserman, "Multiple View Geometry", 12.2)
on undistorted points; `robust` starts at the pair of cameras that most others agree with (RANSAC
over all pairs: few enough to try each) and re-weights from there, so that one camera that sees
something else does not pull the point along. Lengths are in the calibration's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

# In picture sides: what is off by more is something else, or another person's. Judged by how
# constant bones are in length (Pose2Sim, take 1; share of bones off by more than a fifth): 2.8 % at
# .03, 2.4 % at .05, 1.5 % at .08; 16.7 % without any robustness.
INLIER = 0.08
# Re-weighting settles to a hundredth of a pixel in 6 rounds (Pose2Sim, take 1).
ROUNDS = 6
# Deviation of a good joint, in picture sides: where Cauchy's weight has fallen to one half.
SPREAD = 0.015


@dataclass(frozen=True, slots=True)
class Placed:
    """Points in space: `points` (N, 3), `error_px` (N,), `cameras` (N,), `used` (V, N).

    `error_px` is the mean distance over the cameras used; `cameras` how many that were. Where
    fewer than two saw a point, or no two agree, it is nan and 0 cameras.
    """

    points: Floats
    error_px: Floats
    cameras: npt.NDArray[np.int64]
    used: Bools


def undistorted(camera: CameraModel, pixels: Floats) -> Floats:
    """Return (x/z, y/z) of the rays through pixels (N, 2) of the picture `camera` is for."""
    if not len(pixels):
        return np.zeros((0, 2))
    matrix, lens = np.array(camera.matrix), np.array(camera.distortion)
    rays = cv2.undistortPoints(pixels.reshape(-1, 1, 2).astype(np.float64), matrix, lens)
    return np.asarray(rays.reshape(-1, 2), np.float64)


def projected(camera: CameraModel, points: Floats) -> Floats:
    """Return the pixels (N, 2) at which points (N, 3) are seen, lens and all; nan behind it."""
    turn, shift = np.array(camera.rotation), np.array(camera.translation)
    seen = points @ turn.T + shift
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (seen[:, :2] / np.where(seen[:, 2:] > 0, seen[:, 2:], np.nan)).T
    k1, k2, p1, p2, k3 = camera.distortion
    r2 = x * x + y * y
    bend = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent = np.stack(
        [
            x * bend + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * bend + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            np.ones_like(x),
        ]
    )
    return np.asarray((np.array(camera.matrix)[:2] @ bent).T)


def linear(cameras: Sequence[CameraModel], pixels: Floats, weights: Floats) -> Floats:
    """Return the points (N, 3) by the direct linear transform.

    `pixels` (V, N, 2), `weights` (V, N), 0 where a camera does not see a point; nan where fewer
    than two do.
    """
    rows = _equations(cameras, pixels, weights)
    placed = np.full((pixels.shape[1], 3), np.nan)
    enough = (weights > 0).sum(axis=0) >= 2
    _, _, right = np.linalg.svd(rows[enough])
    last = right[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        placed[enough] = last[:, :3] / last[:, 3:]
    return placed


def robust(cameras: Sequence[CameraModel], pixels: Floats, weights: Floats) -> Placed:
    """Return the points that most cameras agree on; arguments as `linear`.

    `weights` are how sure each camera is (visibility); they count beside the agreement.
    """
    count = pixels.shape[1]
    sides = np.array([max(camera.width, camera.height) for camera in cameras], np.float64)
    seen = weights > 0
    best = np.full((count, 3), np.nan)
    least = np.full(count, np.inf)
    rows = _equations(cameras, pixels, np.where(seen, 1.0, 0.0))
    for i, j in combinations(range(len(cameras)), 2):
        both = np.flatnonzero(seen[i] & seen[j])
        points = _solved(rows[both][:, [2 * i, 2 * i + 1, 2 * j, 2 * j + 1]])
        off = errors_px(cameras, points, pixels[:, both]) / sides[:, None]
        missed = np.where(np.isfinite(off), np.minimum(off, INLIER), INLIER)
        cost = (weights[:, both] * missed).sum(axis=0)
        better = cost < least[both]
        best[both[better]], least[both[better]] = points[better], cost[better]
    for _ in range(ROUNDS):
        off = errors_px(cameras, best, pixels) / sides[:, None]
        agreed = np.where(np.isfinite(off), weights / (1 + (off / SPREAD) ** 2), 0.0)
        agreed[(off > INLIER) | ~seen] = 0
        # Divided by depth, algebraic residuals are those of the picture.
        scale = np.sqrt(agreed) / np.maximum(np.abs(_depths(cameras, best)), 1e-9)
        known = (agreed > 0).sum(axis=0) >= 2
        scaled = rows[known] * np.repeat(scale.T[known], 2, axis=1)[..., None]
        best[known] = _solved(scaled)
    off = errors_px(cameras, best, pixels)
    used = seen & (off <= INLIER * sides[:, None])
    enough = used.sum(axis=0) >= 2
    used &= enough
    best[~enough] = np.nan
    mean = np.where(used, off, 0).sum(axis=0) / np.maximum(used.sum(axis=0), 1)
    return Placed(best, np.where(enough, mean, np.nan), used.sum(axis=0), used)


def errors_px(cameras: Sequence[CameraModel], points: Floats, pixels: Floats) -> Floats:
    """Return how far from each camera's pixels (V, N, 2) the points (N, 3) are seen: (V, N)."""
    return np.stack(
        [
            np.linalg.norm(projected(camera, points) - seen, axis=1)
            for camera, seen in zip(cameras, pixels, strict=True)
        ]
    )


def _equations(cameras: Sequence[CameraModel], pixels: Floats, weights: Floats) -> Floats:
    """Return the rows (N, 2 V, 4) that are 0 at the homogeneous point, times the weights."""
    rows = np.zeros((pixels.shape[1], 2 * len(cameras), 4))
    for k, camera in enumerate(cameras):
        pose = np.column_stack([np.array(camera.rotation), np.array(camera.translation)])
        rays = undistorted(camera, pixels[k])
        rows[:, 2 * k : 2 * k + 2] = rays[..., None] * pose[2] - pose[:2]
    return rows * np.repeat(weights.T, 2, axis=1)[..., None]


def _solved(rows: Floats) -> Floats:
    """Return the points (N, 3) that fulfil rows (N, M, 4) best, by normal equations."""
    left, right = rows[..., :3], -rows[..., 3:]
    turned = left.transpose(0, 2, 1)
    normal = turned @ left
    # Rays that are nearly parallel meet nowhere in particular: far, not a singular matrix.
    normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    normal += 1e-30 * np.eye(3)
    return np.asarray(np.linalg.solve(normal, turned @ right)[..., 0])


def _depths(cameras: Sequence[CameraModel], points: Floats) -> Floats:
    return np.stack(
        [points @ np.array(camera.rotation)[2] + camera.translation[2] for camera in cameras]
    )
