"""Another camera's frames on this camera's pixels, and where they are to be believed.

Frames in, warped frames out. The place is found in two steps: a homography of matched features
(one plane, found once for cameras that stand still), then dense flow (DIS) against the enlarged
small frame for what stands before the plane; colours are matched first. Believed is what flow
leads there and back, and looks alike at the small frame's resolution. Of a rig of wide angles that
is often nothing, and the mask says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from tasks.judging.warping_error import Motion, moved

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    Pixels = npt.NDArray[np.uint8]
    Bools = npt.NDArray[np.bool_]
    Matrix = npt.NDArray[np.float64]

LEAST_INLIERS, INLIER_PX, RATIO = 12, 3.0, 0.75
# Levels of 255 that the small frame and the reference, both blurred alike, may differ by.
ALIKE_LEVELS, ALIKE_SIGMA = 12.0, 2.0
# Colours are matched where at least so many pixels are in both pictures, by no larger a factor.
LEAST_PIXELS, MOST_GAIN = 64, 2.0


@dataclass(frozen=True, slots=True)
class Reference:
    """A warped frame (H, W, 3), black where it is not valid, and where it is: (H, W)."""

    rgb: Pixels
    valid: npt.NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """Share of the picture that is valid."""
        return float(self.valid.mean())

    def tensor(self) -> Tensor:
        """Return it as networks take it: (4, H, W), rgb 0..1 and validity."""
        rgb = torch.from_numpy(self.rgb).permute(2, 0, 1).float() / 255
        return torch.cat([rgb, torch.from_numpy(self.valid)[None].float()])


def plane_of(ours: Pixels, theirs: Pixels) -> Matrix | None:
    """Return the homography from pixels of ours (H, W, 3) to theirs (h, w, 3), by SIFT and RANSAC.

    None where too few features agree: such a pair has no plane in common that could be found.
    """
    sift = cv2.SIFT.create(nfeatures=3000, contrastThreshold=0.02)
    (our_keys, one), (their_keys, other) = (
        sift.detectAndCompute(grey(picture), None) for picture in (ours, theirs)
    )
    if one is None or other is None or min(len(one), len(other)) < LEAST_INLIERS:
        return None
    pairs = [
        best
        for best, second in cv2.BFMatcher().knnMatch(one, other, k=2)
        if best.distance < RATIO * second.distance
    ]
    if len(pairs) < LEAST_INLIERS:
        return None
    ours_at = np.array([our_keys[pair.queryIdx].pt for pair in pairs])
    theirs_at = np.array([their_keys[pair.trainIdx].pt for pair in pairs])
    cv2.setRNGSeed(0)
    found, inliers = cv2.findHomography(ours_at, theirs_at, cv2.RANSAC, INLIER_PX)
    if found is None or inliers.sum() < LEAST_INLIERS:
        return None
    return np.asarray(found)


def reference(enlarged: Pixels, theirs: Pixels, plane: Matrix | None) -> Reference:
    """Warp another camera's frame (h, w, 3) onto ours; `enlarged` (H, W, 3) is all we have of it.

    Without a plane nothing is valid: flow alone finds no way across a wide angle, and what it
    finds there looks right to it.
    """
    height, width = enlarged.shape[:2]
    if plane is None:
        return Reference(np.zeros_like(enlarged), np.zeros((height, width), bool))
    size, way = (width, height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    on_plane = np.asarray(cv2.warpPerspective(theirs, plane, size, flags=way), np.uint8)
    whole = np.full(theirs.shape[:2], 255, np.uint8)
    inside = np.asarray(cv2.warpPerspective(whole, plane, size, flags=way), np.uint8)
    on_plane = _coloured(on_plane, enlarged, inside > 254)
    motion = Motion.between(grey(on_plane), grey(enlarged))
    rgb = np.asarray(moved(on_plane, motion.at), np.uint8)
    far = np.abs(_soft(rgb) - _soft(enlarged)).max(axis=-1)
    valid = motion.seen & (moved(inside, motion.at) > 254) & (far <= ALIKE_LEVELS)
    return Reference(rgb * valid[..., None], valid)


def grey(picture: Pixels) -> Pixels:
    """(H, W, 3) rgb -> (H, W)."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _coloured(theirs: Pixels, ours: Pixels, where: Bools) -> Pixels:
    """Give theirs the mean and spread of ours in each colour: two webcams differ by 30 levels."""
    if where.sum() < LEAST_PIXELS:
        return theirs
    a, b = theirs[where].astype(np.float32), ours[where].astype(np.float32)
    gain = (b.std(axis=0) / np.maximum(a.std(axis=0), 1)).clip(1 / MOST_GAIN, MOST_GAIN)
    made = (theirs - a.mean(axis=0)) * gain + b.mean(axis=0)
    return np.asarray(made.clip(0, 255).round(), np.uint8)


def _soft(picture: Pixels) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), ALIKE_SIGMA), np.float32)
