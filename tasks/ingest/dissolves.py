"""Dissolves: one shot mixed into the next.

Reads arrays of one unbroken stretch of frames; writes nothing. While a share s of one picture
gives way to another that has nothing to do with it, the variance of luma is
(1 - s)^2 a + s^2 b + 2 s (1 - s) q with a and b those of the two shots and q, their covariance,
near 0: a parabola that dips between its ends, whatever moves in either shot. Brightness meanwhile
runs straight from one shot's to the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.ingest.signals import Signals

    Floats = npt.NDArray[np.float64]

# Half lengths looked for: dissolves of 7 to 27 frames, each within a fifth of one of these.
HALVES = (3, 4, 5, 6, 7, 9, 11, 13)
# Both shots have at least this contrast: of less, noise makes parabolas.
CONTENT_LEVELS = 12.0
# The middle's variance is this share below the mean of the ends', but some is left (nothing left
# is a fade); as pictures of different things correlate, from -.8 to .4.
DIP, DEEPEST, LEAST_ALIKE, MOST_ALIKE = 0.35, 0.85, -0.8, 0.4
# Root mean square distance of the variance from its parabola, as a share of the ends' mean, and of
# the brightness from its line, as a share of the ends' contrast.
OFF_PARABOLA, OFF_LINE = 0.05, 0.05
# All change together is at least this share of what two unlike pictures of these variances differ
# by, and no frame has more than this many times the mean: that is a cut.
CHANGED, STEADY = 0.8, 3.0
# Fits at a time: arrays of 27 numbers each, 3.5 MB.
CHUNK = 1 << 14


@dataclass(frozen=True, slots=True)
class Dissolve:
    """Frames of a dissolve: the last of one shot, the middle, the first of the other."""

    first: int
    middle: int
    last: int


def dissolves(signals: Signals) -> list[Dissolve]:
    """Return the dissolves, in order: of those that overlap, the one that fits best."""
    fits = [
        (score, Dissolve(int(k) - half, int(k), int(k) + half))
        for half in HALVES
        for k, score in zip(*_fits(signals, half), strict=True)
    ]
    taken = np.zeros(len(signals), np.bool_)
    found = []
    for _, one in sorted(fits, key=lambda fit: -fit[0]):
        if not taken[one.first : one.last + 1].any():
            found.append(one)
            # What is left beside it is the same dissolve, found again with another length.
            taken[max(0, one.first - HALVES[-1]) : one.last + HALVES[-1] + 1] = True
    return sorted(found, key=lambda one: one.middle)


def _fits(signals: Signals, half: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the middles of what may be a dissolve over `half` frames to each side, and scores."""
    contrast = signals.contrast.astype(np.float64)
    middles = _dipping(contrast, half)
    scores = [
        _scores(signals, middles[at : at + CHUNK], half) for at in range(0, len(middles), CHUNK)
    ]
    score = np.concatenate([*scores, np.zeros(0)])
    return middles[score > 0], score[score > 0]


def _dipping(contrast: Floats, half: int) -> npt.NDArray[np.int64]:
    """Return the frames where variance dips between two shots: few are left to be fitted."""
    if len(contrast) <= 2 * half:
        return np.zeros(0, np.int64)
    before, middle, after = (
        contrast[half + shift : len(contrast) - half + shift] for shift in (-half, 0, half)
    )
    dip = 1 - 2 * middle**2 / np.maximum(before**2 + after**2, 1)
    content = np.minimum(before, after) > CONTENT_LEVELS
    return np.flatnonzero(content & (dip > DIP) & (dip < DEEPEST)) + half


def _scores(signals: Signals, middles: npt.NDArray[np.int64], half: int) -> Floats:
    """Return how well each fits, 0 for what is no dissolve: (middles,)."""
    at = middles[:, None] + np.arange(-half, half + 1)
    variance, brightness = np.square(signals.contrast[at], dtype=np.float64), signals.brightness[at]
    first, last = variance[:, :1], variance[:, -1:]
    mean = (first + last)[:, 0] / 2
    share = np.linspace(0, 1, 2 * half + 1)
    ends, both = (1 - share) ** 2 * first + share**2 * last, 2 * share * (1 - share)
    # Least squares for the covariance, the one thing about the two pictures that is not known.
    covariance = (variance - ends) @ both / (both @ both)
    alike = covariance / np.sqrt((first * last)[:, 0])
    off = np.sqrt(np.square(variance - ends - covariance[:, None] * both).mean(axis=1)) / mean
    line = (1 - share) * brightness[:, :1] + share * brightness[:, -1:]
    off_line = np.sqrt(np.square(brightness - line).mean(axis=1) / mean)
    change = signals.change[at[:, 1:]]
    # Two unlike pictures differ by the mean size of a normal number of their variances' sum.
    unlike = np.sqrt(2 / np.pi * 2 * mean)
    fits = (alike > LEAST_ALIKE) & (alike < MOST_ALIKE)
    fits &= (off < OFF_PARABOLA) & (off_line < OFF_LINE)
    fits &= change.sum(axis=1) > CHANGED * unlike
    fits &= change.max(axis=1) < STEADY * change.mean(axis=1)
    # The deeper, the longer and the closer to its parabola, the better.
    return np.where(fits, (1 - alike) * np.sqrt(half) * (1 - 3 * off), 0.0)
