"""Homographies from one camera's picture to another's: fitted to backgrounds, or of a plane.

Pictures and camera vectors in, matrices and warped pictures out. Pictures are squares (3, side,
side) uint8; a homography maps pixels of the picture that is made to those of the one it is made
of. One plane is all it knows: what stands before or behind it lands beside its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Bools = npt.NDArray[np.bool_]
    Matrix = npt.NDArray[np.float64]

# Features are sought in a picture twice as large: SIFT finds 95 in one of 112 px, 449 so (medians).
_LARGER = 2
_LEAST_INLIERS, _INLIER_PX = 8, 2.0
_ECC_STEPS = 60


def optical_axis(vector: Matrix) -> Matrix:
    """Return the direction (3,) in which the camera of a vector (12,) looks, in the world."""
    return np.asarray(_rotation(vector)[2])


def rig_centre(vectors: Matrix) -> Matrix | None:
    """Return the point (3,) nearest to the optical axes of (V, 12); none where they do not meet."""
    normal, total = np.zeros((3, 3)), np.zeros(3)
    for vector in vectors:
        axis = optical_axis(vector)
        across = np.eye(3) - np.outer(axis, axis)
        normal += across
        total += across @ _centre(vector)
    # Of parallel axes one direction is free; under some 4 degrees it nearly is.
    if len(vectors) < 2 or np.linalg.eigvalsh(normal)[0] < 5e-3 * len(vectors):
        return None
    return np.asarray(np.linalg.solve(normal, total))


def plane_homography(
    made: Matrix, of: Matrix, aspects: tuple[float, float], centre: Matrix, side: int
) -> Matrix | None:
    """Return the homography of the plane through `centre` that faces the camera that is made.

    `made` and `of` are camera vectors (12,), their pixels taken to be square before they were
    squashed; lenses are not undistorted. None where the centre is behind either camera.
    """
    turns = _rotation(made), _rotation(of)
    depths = [turn[2] @ centre + vector[8] for turn, vector in zip(turns, (made, of), strict=True)]
    if min(depths) <= 0:
        return None
    turn = turns[1] @ turns[0].T
    shift = of[6:9] - turn @ made[6:9]
    into, onto = (_lens(v, a, side) for v, a in zip((made, of), aspects, strict=True))
    found = onto @ (turn + np.outer(shift, [0, 0, 1 / depths[0]])) @ np.linalg.inv(into)
    return np.asarray(found)


def fitted_homography(made: Bytes, of: Bytes, start: Matrix | None = None) -> Matrix:
    """Return the homography that best makes one background of another.

    Candidates are no warp, `start`, and one of matched SIFT features by RANSAC, each also refined
    on the pictures (ECC, Evangelidis and Psarakis 2008); the least square error is taken.
    """
    candidates = [np.eye(3)]
    candidates += [one for one in (start, _by_features(made, of)) if one is not None]
    candidates += [refined for one in list(candidates) for refined in _refined(made, of, one)]
    return min(candidates, key=lambda one: _error(made, of, one))


def warped(picture: Bytes, homography: Matrix) -> tuple[Bytes, Bools]:
    """Return the picture (3, side, side) as the homography makes it, and where it has any."""
    side = picture.shape[-1]
    shown = cv2.warpPerspective(
        np.ascontiguousarray(picture.transpose(1, 2, 0)),
        homography,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    x, y, z = np.tensordot(homography, np.stack([across, down, np.ones_like(across)]), axes=1)
    # Behind the camera there is nothing to be seen.
    ahead = z > 1e-9
    x, y = (np.divide(v, z, out=np.full_like(v, -9.0), where=ahead) for v in (x, y))
    there = ahead & (x >= -0.5) & (y >= -0.5) & (x <= side - 0.5) & (y <= side - 0.5)
    return np.asarray(shown.transpose(2, 0, 1), np.uint8), there


def blended(pictures: Bytes, homographies: list[Matrix]) -> Bytes:
    """Mean of (V, 3, side, side), each warped; of all unwarped where none reaches."""
    parts = [warped(one, h) for one, h in zip(pictures, homographies, strict=True)]
    there = np.stack([mask for _, mask in parts])[:, None]
    summed = np.where(there, np.stack([one for one, _ in parts]), 0).sum(axis=0)
    count = there.sum(axis=0)
    mean = np.where(count > 0, summed / np.maximum(1, count), pictures.mean(axis=0))
    return np.asarray(mean.round(), np.uint8)


def _rotation(vector: Matrix) -> Matrix:
    """Return the rotation (3, 3) of which a vector has the first two columns."""
    first, second = vector[:3], vector[3:6]
    return np.stack([first, second, np.cross(first, second)], axis=1)


def _centre(vector: Matrix) -> Matrix:
    return np.asarray(-_rotation(vector).T @ vector[6:9])


def _lens(vector: Matrix, aspect: float, side: int) -> Matrix:
    """Return the matrix of a camera for its picture squashed to a square; pixel centres whole."""
    focal = np.exp(vector[9]) * side
    x, y = vector[10] * side - 0.5, vector[11] * side - 0.5
    return np.array([[focal, 0, x], [0, focal * aspect, y], [0, 0, 1]])


def _by_features(made: Bytes, of: Bytes) -> Matrix | None:
    sift = cv2.SIFT.create(nfeatures=600, contrastThreshold=0.01)
    greys = [
        cv2.resize(_grey(one), None, fx=_LARGER, fy=_LARGER, interpolation=cv2.INTER_CUBIC)
        for one in (made, of)
    ]
    (ours, one), (theirs, other) = (sift.detectAndCompute(grey, None) for grey in greys)
    if one is None or other is None or min(len(one), len(other)) < 2:
        return None
    pairs = [
        best
        for best, second in cv2.BFMatcher().knnMatch(one, other, k=2)
        if best.distance < 0.8 * second.distance
    ]
    if len(pairs) < _LEAST_INLIERS:
        return None
    ours_at, theirs_at = (
        # The centre of a large pixel is not a multiple of the small one's.
        (np.array([keys[k].pt for k in index]) + 0.5) / _LARGER - 0.5
        for keys, index in (
            (ours, [pair.queryIdx for pair in pairs]),
            (theirs, [pair.trainIdx for pair in pairs]),
        )
    )
    cv2.setRNGSeed(0)
    found, inliers = cv2.findHomography(ours_at, theirs_at, cv2.RANSAC, _INLIER_PX)
    return found if found is not None and inliers.sum() >= _LEAST_INLIERS else None


def _refined(made: Bytes, of: Bytes, start: Matrix) -> Iterator[Matrix]:
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ECC_STEPS, 1e-5)
    begin = (start / start[2, 2]).astype(np.float32)
    try:
        _, found = cv2.findTransformECC(
            _grey(made), _grey(of), begin, cv2.MOTION_HOMOGRAPHY, stop, None, 5
        )
    except cv2.error:
        # It did not converge, or the pictures do not overlap: there is nothing to refine.
        return
    yield found.astype(np.float64)


def _error(made: Bytes, of: Bytes, homography: Matrix) -> float:
    ours = blended(of[None], [homography])
    return float(np.square(ours.astype(np.float32) - made).mean())


def _grey(picture: Bytes) -> Bytes:
    return np.asarray(cv2.cvtColor(picture.transpose(1, 2, 0), cv2.COLOR_RGB2GRAY), np.uint8)
