"""How near a mask is to the true one: J of regions and F of outlines.

Pure. The measures of DAVIS (Perazzi et al., CVPR 2016): J is intersection over union; F the
harmonic mean of precision and recall of outline pixels, matched within .8 % of the diagonal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.editing.evidence import dilated

if TYPE_CHECKING:
    from tasks.editing.evidence import Bools, Pixels

TOLERANCE = 0.008


def region_j(found: Bools, truth: Bools) -> float:
    """Return intersection over union of two masks (H, W); 1 where both are empty."""
    either = int((found | truth).sum())
    return float((found & truth).sum() / either) if either else 1.0


def outline_f(found: Bools, truth: Bools) -> float:
    """Return the F measure of the outlines of two masks (H, W); 1 where neither has any."""
    reach = max(1, round(TOLERANCE * float(np.hypot(*truth.shape))))
    ours, theirs = _outline(found), _outline(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float((ours & dilated(theirs, reach)).sum() / ours.sum())
    recall = float((theirs & dilated(ours, reach)).sum() / theirs.sum())
    return 2 * precision * recall / max(1e-9, precision + recall)


def region_psnr(found: Pixels, truth: Pixels, where: Bools) -> float:
    """Return PSNR in dB of rgb24 pictures over the pixels `where` (H, W), 60 at most.

    Raises:
        ValueError: `where` is empty.
    """
    if not where.any():
        raise ValueError("no pixel to compare")
    apart = found[where].astype(np.float64) - truth[where]
    return float(min(60.0, 10 * np.log10(255**2 / max(1e-9, np.square(apart).mean()))))


def _outline(mask: Bools) -> Bools:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return np.asarray(mask & (inner == 0))
