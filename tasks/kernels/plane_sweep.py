"""Plane sweep: depth of one calibrated camera's picture from its neighbours' (Collins, CVPR 1996).

Pure arithmetic on pictures and `CameraModel`s of one size. Planes parallel to the reference
picture, evenly apart in inverse depth, are looked up in the neighbours' pictures; where the
normalised cross-correlation of small windows is highest is the depth. Lenses are part of the
look-up, so nothing is undistorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float32]
    Matrix = npt.NDArray[np.float64]

WINDOW = 5  # px, side of a correlation window
# From one plane to the next a point moves about so far in the neighbour's picture, in px.
PLANE_STEP_PX = 0.75
# With up to 96 planes wide rigs were no more right, knew less, and cost twice as much.
MIN_PLANES, MAX_PLANES = 12, 48
# Nothing is nearer than this share of the baseline: what is, two cameras do not both see.
NEAREST_BASELINES = 0.6
# A plane that fewer of the reference's pixels share with the neighbour is not swept.
LEAST_SHARED = 0.5
# A window of less contrast (variance of 8-bit levels) says nothing; nor does a weak peak.
LEAST_VARIANCE, LEAST_PEAK = 6.0, 0.6
# Two cameras' depths of a point are one depth within this share; one camera alone counts so much.
AGREEING, UNSEEN = 0.12, 0.7
_RADIUS = WINDOW // 2


@dataclass(frozen=True)
class SweptDepth:
    """Metric `inverse` depth (h, w), 0 where unknown, and `confidence` 0..1."""

    inverse: Floats
    confidence: Floats


class PlaneSweep:
    """The look-ups of one reference camera and its neighbours; made once, used for every picture.

    Raises:
        ValueError: there is no neighbour, or sizes differ.
    """

    def __init__(self, reference: CameraModel, neighbours: Sequence[CameraModel]) -> None:
        size = (reference.width, reference.height)
        if not neighbours or any((one.width, one.height) != size for one in neighbours):
            raise ValueError("a sweep needs neighbours with pictures of the reference's size")
        self.size = size
        rays = _rays(reference)
        moves = [relative_pose(reference, one) for one in neighbours]
        self.planes = _planes(rays, moves, neighbours)
        self._maps = [
            _lookup(rays, move, one, self.planes)
            for move, one in zip(moves, neighbours, strict=True)
        ]

    def depth(
        self, reference: npt.NDArray[np.uint8], neighbours: Sequence[npt.NDArray[np.uint8] | None]
    ) -> SweptDepth:
        """Return the depth of a grey picture (h, w), beside its neighbours' of the same instant.

        A neighbour that has no picture then is None.
        """
        width, height = self.size
        if not len(self.planes) or all(one is None for one in neighbours):
            nothing = np.zeros((height, width), np.float32)
            return SweptDepth(nothing, nothing)
        mean, spread = _statistics(_padded(reference))
        scores: Floats | None = None
        for picture, (maps, inside) in zip(neighbours, self._maps, strict=True):
            if picture is None:
                continue
            found = _correlation(_padded(reference), mean, spread, picture, maps)
            found[~inside] = -1
            scores = found if scores is None else np.maximum(scores, found)
        assert scores is not None  # noqa: S101  there is a neighbour
        return _best(scores, self.planes, spread[_RADIUS:-_RADIUS])


def _rays(camera: CameraModel) -> Matrix:
    """Return the rays (3, h + 2 r, w) of z = 1 through pixels, and rows above and below."""
    y, x = np.mgrid[-_RADIUS : camera.height + _RADIUS, : camera.width].astype(np.float64)
    points = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
    flat = cv2.undistortPoints(points, np.array(camera.matrix), np.array(camera.distortion))
    return np.concatenate([flat[:, 0].T, np.ones((1, len(points)))]).reshape(3, *x.shape)


def relative_pose(reference: CameraModel, other: CameraModel) -> tuple[Matrix, Matrix]:
    """Return R (3, 3) and t (3,) from the reference's frame to the other's."""
    rotation = np.array(other.rotation) @ np.array(reference.rotation).T
    return rotation, np.array(other.translation) - rotation @ np.array(reference.translation)


def _seen(rays: Matrix, move: tuple[Matrix, Matrix], inverse: float) -> Matrix:
    """Return points at an inverse depth in the other camera's frame, up to scale: (3, ...)."""
    turned = np.tensordot(move[0], rays, axes=1)
    return np.asarray(turned + inverse * move[1].reshape(3, *([1] * (rays.ndim - 1))))


def _pixels(points: Matrix, camera: CameraModel) -> tuple[Floats, Floats]:
    """Return where points (3, ...) are in a picture; far outside of it if behind the camera."""
    shape = points.shape[1:]
    ahead = points[2] > 1e-6
    flat = np.where(ahead, points, np.array([9.0, 9.0, 1.0]).reshape(3, *([1] * len(shape))))
    flat = flat[:2] / flat[2]
    # Lenses are modelled inside the picture alone: far outside the polynomial may turn back.
    bent = _distorted(flat, camera)
    k = np.array(camera.matrix)
    x = k[0, 0] * bent[0] + k[0, 1] * bent[1] + k[0, 2]
    y = k[1, 1] * bent[1] + k[1, 2]
    straight = k[0, 0] * flat[0] + k[0, 2], k[1, 1] * flat[1] + k[1, 2]
    far = (
        (np.abs(straight[0] - camera.width / 2) > camera.width)
        | (np.abs(straight[1] - camera.height / 2) > camera.height)
        | ~ahead
    )
    x, y = np.where(far, -1e4, x), np.where(far, -1e4, y)
    return x.astype(np.float32), y.astype(np.float32)


def _distorted(flat: Matrix, camera: CameraModel) -> Matrix:
    k1, k2, p1, p2, k3 = camera.distortion
    x, y = flat
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ]
    )


def _inside(x: Floats, y: Floats, camera: CameraModel) -> npt.NDArray[np.bool_]:
    return np.asarray((x >= 0) & (y >= 0) & (x <= camera.width - 1) & (y <= camera.height - 1))


def _planes(
    rays: Matrix, moves: Sequence[tuple[Matrix, Matrix]], cameras: Sequence[CameraModel]
) -> Matrix:
    """Choose inverse depths: what both see, evenly, about `PLANE_STEP_PX` apart in the picture."""
    coarse = rays[:, ::8, ::8]
    longest = max(float(np.linalg.norm(move[1])) for move in moves)
    shortest = min(float(np.linalg.norm(move[1])) for move in moves)
    if shortest <= 0:
        return np.zeros(0)
    tried = np.linspace(0, 1 / (NEAREST_BASELINES * shortest), 257)
    shared, path = np.zeros(len(tried)), np.zeros(len(tried))
    for move, camera in zip(moves, cameras, strict=True):
        found = [_pixels(_seen(coarse, move, float(w)), camera) for w in tried]
        there = np.stack([_inside(x, y, camera) for x, y in found])
        shared = np.maximum(shared, there.mean(axis=(1, 2)))
        x, y = (np.stack([one[k] for one in found]) for k in (0, 1))
        both = there[1:] & there[:-1]
        moved = np.where(both, np.hypot(np.diff(x, axis=0), np.diff(y, axis=0)), 0)
        mean = moved.sum(axis=(1, 2)) / np.maximum(both.sum(axis=(1, 2)), 1)
        path[1:] = np.maximum(path[1:], mean)
    swept = np.flatnonzero(shared >= LEAST_SHARED)
    if not len(swept) or longest <= 0:
        return np.zeros(0)
    low, high = tried[swept[0]], tried[swept[-1]]
    length = path[swept[0] + 1 : swept[-1] + 1].sum()
    count = int(np.clip(round(length / PLANE_STEP_PX) + 1, MIN_PLANES, MAX_PLANES))
    return np.linspace(low, high, count)


def _lookup(
    rays: Matrix, move: tuple[Matrix, Matrix], camera: CameraModel, planes: Matrix
) -> tuple[tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]], npt.NDArray[np.bool_]]:
    """Return the maps of all planes below each other, and (P, h, w) where they are in the picture.

    One tall look-up: a call costs as much as a plane.
    """
    if not len(planes):
        return (np.zeros((0, 0, 2), np.int16), np.zeros((0, 0), np.uint16)), np.zeros(0, bool)
    found = [_pixels(_seen(rays, move, float(w)), camera) for w in planes]
    x, y = (np.stack([one[k] for one in found]) for k in (0, 1))
    inside = _inside(x, y, camera)[:, _RADIUS:-_RADIUS]
    width = rays.shape[2]
    maps = cv2.convertMaps(x.reshape(-1, width), y.reshape(-1, width), cv2.CV_16SC2)
    return (maps[0], maps[1]), inside


def _padded(picture: npt.NDArray[np.uint8]) -> Floats:
    return np.asarray(np.pad(picture, ((_RADIUS, _RADIUS), (0, 0)), mode="reflect"), np.float32)


def _box(values: Floats) -> Floats:
    return np.asarray(cv2.boxFilter(values, -1, (WINDOW, WINDOW), borderType=cv2.BORDER_REFLECT))


def _statistics(picture: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the variance of the window around each pixel."""
    mean = _box(picture)
    return mean, np.maximum(_box(picture * picture) - mean * mean, 0)


def _correlation(
    reference: Floats,
    mean: Floats,
    variance: Floats,
    picture: npt.NDArray[np.uint8],
    maps: tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]],
) -> Floats:
    """Return the correlation (P, h, w) of the reference's windows with those of every plane."""
    height, width = reference.shape
    # Replicated, so that windows at the picture's edge are not of black.
    warped = cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    tall = np.asarray(warped, np.float32)
    planes = len(tall) // height
    shape = (planes, height, width)
    other_mean, other_variance = (part.reshape(shape) for part in _statistics(tall))
    product = (tall.reshape(shape) * reference).reshape(-1, width)
    covariance = _box(product).reshape(shape) - other_mean * mean
    least = np.float32(LEAST_VARIANCE)
    score = covariance / np.sqrt(np.maximum(variance, least) * np.maximum(other_variance, least))
    return np.asarray(score[:, _RADIUS:-_RADIUS], np.float32)


def _best(scores: Floats, planes: Matrix, variance: Floats) -> SweptDepth:
    """Return the plane of the highest peak, finer than the planes by a parabola, and how sure.

    Confidence grows with the peak and with its lead over the best that is not beside it.
    """
    count, height, width = scores.shape
    best = scores.argmax(axis=0)
    y, x = np.mgrid[:height, :width]
    peak = scores[best, y, x]
    before = scores[np.maximum(best - 1, 0), y, x]
    after = scores[np.minimum(best + 1, count - 1), y, x]
    bend = before - 2 * peak + after
    edge = (best == 0) | (best == count - 1) | (before <= -1) | (after <= -1)
    shift = np.where(edge | (bend >= 0), 0, 0.5 * (before - after) / np.minimum(bend, -1e-6))
    step = (planes[-1] - planes[0]) / max(count - 1, 1)
    inverse = planes[0] + (best + np.clip(shift, -0.5, 0.5)) * step
    others = scores.copy()
    for aside in (-2, -1, 0, 1, 2):
        others[np.clip(best + aside, 0, count - 1), y, x] = -1
    lead = peak - np.maximum(others.max(axis=0), 0)
    sure = np.clip((peak - LEAST_PEAK) / (1 - LEAST_PEAK), 0, 1) * np.clip(lead / 0.3, 0, 1)
    sure[(variance < LEAST_VARIANCE) | edge | (inverse <= 0)] = 0
    known = sure > 0
    return SweptDepth(
        np.where(known, inverse, 0).astype(np.float32), np.where(known, sure, 0).astype(np.float32)
    )


def agreement(
    camera: CameraModel, ours: SweptDepth, other: CameraModel, theirs: SweptDepth
) -> Floats:
    """Return how far another camera's own depth bears out ours, by pixel (h, w).

    1 where its depth of the same point is within `AGREEING` of ours, 0 where it is surely nearer
    or farther, `UNSEEN` where it says nothing: outside its picture, or not sure itself. A point
    that it cannot see for something before it is contradicted too: neither of both is certain.
    """
    rays = _rays(camera)[:, _RADIUS:-_RADIUS]
    turn, shift = relative_pose(camera, other)
    known = ours.confidence > 0
    z = np.where(known, 1 / np.where(known, ours.inverse, 1), 1)
    points = np.tensordot(turn, rays * z, axes=1) + shift[:, None, None]
    x, y = _pixels(points, other)
    inside = known & _inside(x, y, other)
    column, row = (np.where(inside, np.rint(part), 0).astype(np.int64) for part in (x, y))
    there, sure = theirs.inverse[row, column], theirs.confidence[row, column]
    seen = inside & (sure > 0)
    expected = 1 / np.where(points[2] > 1e-6, points[2], 1e6)
    off = np.abs(there / expected - 1)
    share = np.where(off <= AGREEING, 1.0, 0.0)
    return np.asarray(np.where(seen, share, UNSEEN), np.float32)
