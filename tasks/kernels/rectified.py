"""Depth of a pair of nearly parallel cameras: rectified, then semi-global matching.

Pure arithmetic on pictures and `CameraModel`s of one size. OpenCV's SGBM (after Hirschmueller,
PAMI 2008) on pictures turned so that rows match rows; lenses are undistorted on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.kernels.plane_sweep import SweptDepth, relative_pose

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Pixels = npt.NDArray[np.uint8]
    Matrix = npt.NDArray[np.float64]

# Of the picture's width, up to a multiple of 16: nothing is nearer.
DISPARITY_SHARE = 3 / 7
BLOCK = 5
_WINDOW = 7  # px, of the correlation that says how sure
_LEAST_VARIANCE = 6.0


class RectifiedPair:
    """The look-ups of a reference camera and another beside it; each thread needs its own.

    Raises:
        ValueError: they are not side by side: above each other, or one before the other.
    """

    def __init__(self, reference: CameraModel, other: CameraModel) -> None:
        size = (reference.width, reference.height)
        rotation, shift = relative_pose(reference, other)
        k = [np.array(one.matrix) for one in (reference, other)]
        lens = [np.array(one.distortion) for one in (reference, other)]
        shift = shift[:, None]
        turns = cv2.stereoRectify(
            k[0], lens[0], k[1], lens[1], size, rotation, shift, flags=cv2.CALIB_ZERO_DISPARITY
        )
        r1, r2, p1, p2 = turns[:4]
        if p2[0, 3] == 0 or np.abs(p2[1, 3]) > 0:
            raise ValueError("the cameras are above each other")
        self._mirror = bool(p2[0, 3] > 0)  # the other is on the left
        self._strength = abs(float(p2[0, 3]))  # focal length times baseline: disparity times depth
        self._maps = [
            cv2.initUndistortRectifyMap(k[n], lens[n], r, p, size, cv2.CV_16SC2)
            for n, (r, p) in enumerate(((r1, p1), (r2, p2)))
        ]
        width, height = size
        y, x = np.mgrid[:height, :width].astype(np.float64)
        points = np.stack([x.ravel(), y.ravel()], axis=1)[:, None]
        at = cv2.undistortPoints(points, k[0], lens[0], R=r1, P=p1)[:, 0]
        self._back = at.T.reshape(2, height, width).astype(np.float32)
        # Depth along the rectified axis to depth along the reference's, by pixel.
        rays = np.stack([(at[:, 0] - p1[0, 2]) / p1[0, 0], (at[:, 1] - p1[1, 2]) / p1[1, 1]])
        turned = r1.T @ np.concatenate([rays, np.ones((1, len(at)))])
        self._ahead = turned[2].reshape(height, width).astype(np.float32)
        self._range = max(16, round(width * DISPARITY_SHARE / 16) * 16)
        self._matcher = cv2.StereoSGBM.create(
            minDisparity=0,
            numDisparities=self._range,
            blockSize=BLOCK,
            P1=8 * BLOCK**2,
            P2=32 * BLOCK**2,
            disp12MaxDiff=1,
            uniquenessRatio=10,
            speckleWindowSize=50,
            speckleRange=2,
            mode=cv2.STEREO_SGBM_MODE_HH,
        )

    def depth(self, reference: Pixels, other: Pixels) -> SweptDepth:
        """Return the depth of a grey picture (h, w), beside the other's of the same instant."""
        pictures = [
            cv2.remap(picture, *maps, cv2.INTER_LINEAR)
            for picture, maps in zip((reference, other), self._maps, strict=True)
        ]
        if self._mirror:
            pictures = [np.ascontiguousarray(one[:, ::-1]) for one in pictures]
        # The matcher is blind in as many columns as it searches: they are put before the picture.
        padded = [np.pad(one, ((0, 0), (self._range, 0)), mode="edge") for one in pictures]
        disparity = self._matcher.compute(*padded)[:, self._range :].astype(np.float32) / 16
        sure = np.where(disparity > 0, _agreement(pictures[0], pictures[1], disparity), 0)
        if self._mirror:
            disparity, sure = disparity[:, ::-1], sure[:, ::-1]
        x, y = self._back
        found, sure = (
            cv2.remap(np.ascontiguousarray(part, np.float32), x, y, cv2.INTER_NEAREST)
            for part in (disparity, sure)
        )
        known = (found > 0) & (sure > 0) & (self._ahead > 0)
        inverse = np.where(known, found / self._strength / np.maximum(self._ahead, 1e-6), 0)
        return SweptDepth(inverse.astype(np.float32), np.where(known, sure, 0).astype(np.float32))


def _agreement(
    left: Pixels, right: Pixels, disparity: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return how alike the windows are that were matched: .1 to 1, their correlation."""
    height, width = left.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    found = cv2.remap(right, x - disparity, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    a, b = left.astype(np.float32), found.astype(np.float32)

    def box(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(values, -1, (_WINDOW, _WINDOW)), np.float32)

    mean_a, mean_b = box(a), box(b)
    var_a, var_b = box(a * a) - mean_a**2, box(b * b) - mean_b**2
    least = np.float32(_LEAST_VARIANCE)
    both = np.sqrt(np.maximum(var_a, least) * np.maximum(var_b, least))
    return np.asarray(np.clip((box(a * b) - mean_a * mean_b) / both, 0.1, 1), np.float32)
