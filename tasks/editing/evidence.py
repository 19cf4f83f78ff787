"""What tells a region from what is around it: its colours, and whether it moves.

Pure. Both are log-likelihood ratios of histograms taken where the region was marked; each counts
by how well it tells the two apart there, so that what says nothing has no say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

# Of each of the three channels of CIE Lab, of 16 levels each.
_BINS = 16
# Differences from the background, in steps of 8 levels.
_STEPS = 32
# No pixel says more than this by itself (e^3 to 1): histograms of one picture are not the truth.
MOST = 3.0
# How far around a region its surroundings are learnt from, in square roots of its area.
AROUND = 0.75
# A background is the median of so many frames spread over the clip.
SAMPLES = 9


def background(pictures: Sequence[Pixels]) -> Pixels:
    """Return what a camera sees most of the time: the median (h, w, 3) of frames over the clip."""
    some = np.linspace(0, len(pictures) - 1, min(SAMPLES, len(pictures))).round().astype(int)
    return np.asarray(np.median(np.stack([pictures[k] for k in some]), axis=0), np.uint8)


@dataclass(frozen=True)
class Evidence:
    """Histograms of one region; `weights` are what colours and motion count, 0..1 each."""

    colours: Floats  # (16^3,)
    motion: Floats  # (32,)
    weights: tuple[float, float]

    def of(self, picture: Pixels, behind: Pixels) -> Floats:
        """Return the log odds (h, w) that pixels are the region's, given a camera's background."""
        by_colour = self.colours[_colour_bins(picture)]
        by_motion = self.motion[_motion_bins(picture, behind)]
        return self.weights[0] * _smooth(by_colour) + self.weights[1] * _smooth(by_motion)


def learnt(picture: Pixels, mask: Bools, behind: Pixels) -> Evidence:
    """Return what tells the region `mask` (h, w) of a picture (h, w, 3) from its surroundings.

    Raises:
        ValueError: the mask is empty.
    """
    if not mask.any():
        raise ValueError("an empty region has no colours")
    around = surroundings(mask)
    parts = []
    for bins, count in ((_colour_bins(picture), _BINS**3), (_motion_bins(picture, behind), _STEPS)):
        inside, outside = (
            _density(np.bincount(bins[where], minlength=count)) for where in (mask, around)
        )
        ratio = np.log((inside + 1e-5) / (outside + 1e-5)).clip(-MOST, MOST).astype(np.float32)
        told = _smooth(ratio[bins]) > 0
        # Youden's J: 1 where the two never look alike, 0 where guessing does as well.
        apart = float(told[mask].mean() - (told[around].mean() if around.any() else 0.0))
        parts.append((ratio, max(0.0, apart)))
    (colours, by_colour), (motion, by_motion) = parts
    return Evidence(colours, motion, (by_colour, by_motion))


def surroundings(mask: Bools) -> Bools:
    """Return what is around a region, as far as `AROUND` says, without a seam of 2 px."""
    reach = max(4, round(AROUND * float(np.sqrt(mask.sum()))))
    return np.asarray(dilated(mask, reach) & ~dilated(mask, 2))


def dilated(mask: Bools, reach: int) -> Bools:
    """Return the mask grown by `reach` px."""
    side = 2 * reach + 1
    grown = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(2, (side, side)))
    return np.asarray(grown > 0)


def _colour_bins(picture: Pixels) -> npt.NDArray[np.int64]:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.int64) // (256 // _BINS)
    return np.asarray((lab[..., 0] * _BINS + lab[..., 1]) * _BINS + lab[..., 2])


def _motion_bins(picture: Pixels, behind: Pixels) -> npt.NDArray[np.int64]:
    apart = cv2.absdiff(picture, behind).max(axis=2)
    return np.asarray(apart.astype(np.int64) // (256 // _STEPS))


def _density(counts: npt.NDArray[np.int64]) -> Floats:
    """Return a smoothed histogram that sums to 1."""
    cube = counts.astype(np.float32)
    shape = (_BINS,) * 3 if len(counts) == _BINS**3 else (len(counts),)
    cube = cube.reshape(shape)
    for axis in range(len(shape)):
        before, after = (np.roll(cube, by, axis) for by in (1, -1))
        # Nothing comes around the other end.
        edge = np.moveaxis(before, axis, 0), np.moveaxis(after, axis, 0)
        edge[0][0], edge[1][-1] = 0, 0
        cube = 0.5 * cube + 0.25 * before + 0.25 * after
    return np.asarray(cube.ravel() / max(1e-9, float(cube.sum())), np.float32)


def _smooth(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 1.0), np.float32)
