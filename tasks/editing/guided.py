"""The guided filter: a mask drawn to the edges of its picture (He et al., ECCV 2010).

Pure. The fast form (He and Sun, arXiv:1505.00996): the local lines are fitted where the mask is,
and applied where the picture is, so that a small mask is refined at full resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

# Variance of a picture in 0..1 below which it has no edges: 8 levels' standard deviation.
FLAT = 1e-3


def guided(mask: Floats, picture: Pixels, radius: int, full: Pixels | None = None) -> Floats:
    """Return the mask (h, w) in 0..1 as smooth as its picture (h, w, 3) is.

    With `full` (H, W, 3), the same picture larger, the answer is of that size. `radius` is in px
    of the small one.
    """
    grey = _grey(picture)
    mean, mean_mask = _box(grey, radius), _box(mask, radius)
    covariance = _box(grey * mask, radius) - mean * mean_mask
    lean = covariance / (_box(grey * grey, radius) - mean * mean + np.float32(FLAT))
    offset = _box(np.asarray(mean_mask - lean * mean, np.float32), radius)
    slope = _box(np.asarray(lean, np.float32), radius)
    if full is not None:
        size = (full.shape[1], full.shape[0])
        slope, offset = (
            cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in (slope, offset)
        )
        grey = _grey(full)
    return np.asarray(np.clip(slope * grey + offset, 0, 1), np.float32)


def _grey(picture: Pixels) -> Floats:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey / np.float32(255), np.float32)


def _box(values: Floats, radius: int) -> Floats:
    side = 2 * radius + 1
    found = cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)
