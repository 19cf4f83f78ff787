"""What moves before a camera that stands still: a clip against its own median picture.

Pure. The median over the clip's steps is the background; what differs from it by many times the
clip's noise is foreground. Of what stands still for more than half the clip nothing is seen, and
what then leaves is seen as a hole: a clip of 2 s has no longer memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Luma = npt.NDArray[np.uint8]

# Standard deviations from the background, and the least luma levels: coding noise of flat parts. In
# real empty rooms less than .1 % of the picture is beyond them.
NOISES, LEAST_LEVELS = 4.0, 7.0
# A still camera's clip differs from its median by 1-2 levels; one that moves, by many.
MOST_NOISE = 7.0
# Where more of a picture than this differs, the camera moves or the light was switched.
MOST_SHARE = 0.6
# A clip this short is its own median.
LEAST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Foreground:
    """What moves at each step: `masks` (T, H, W), `usable` (T,), and why where none is."""

    masks: Bools
    usable: Bools
    absent: str | None


def foreground(luma: Luma, present: Bools) -> Foreground:
    """Tell what moves in luma pictures (T, H, W) of one clip; depends on all steps present."""
    masks, usable = np.zeros(luma.shape, bool), np.zeros(len(luma), bool)
    steps = np.flatnonzero(present)
    if len(steps) < LEAST_STEPS:
        return Foreground(masks, usable, f"{len(steps)} steps are too few to know the background")
    shown = luma[steps].astype(np.int16)
    # A flash or a change of exposure is not movement.
    shown -= np.median(shown[:, ::4, ::4], axis=(1, 2)).astype(np.int16)[:, None, None]
    background = np.median(shown[:: max(1, len(steps) // 12)], axis=0).astype(np.int16)
    away = np.abs(shown - background)
    noise = _noise(away[:, ::2, ::2])
    if noise > MOST_NOISE:
        return Foreground(masks, usable, f"the camera moves: noise of {noise:.0f} luma levels")
    beyond = (away > max(LEAST_LEVELS, NOISES * noise)).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    for step, raw in zip(steps, beyond, strict=True):
        opened = cv2.morphologyEx(raw, cv2.MORPH_OPEN, kernel)
        closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel, iterations=2)
        usable[step] = closed.mean() <= MOST_SHARE
        masks[step] = closed.astype(bool) & usable[step]
    why = None if usable.any() else "the camera moves: most of every picture differs"
    return Foreground(masks, usable, why)


def _noise(away: npt.NDArray[np.int16]) -> float:
    """Return the standard deviation of the quieter three quarters, as if all were like them."""
    quiet = away[away <= np.quantile(away, 0.75)]
    # The mean of |x| below its third quartile, of normal x of deviation 1.
    return float(quiet.mean()) / 0.51
