"""Tells whether two recordings move alike, and by how much one lags the other.

Pure: reads the per-frame signals of a scan, writes nothing. Frame rates, brightness, contrast and
scale may differ: signals are averaged over a quarter of a second on one even grid, and only their
correlation counts. Motion tells the time: a fixed camera shows the same room all day, but nobody
crosses it twice in the same way (see infra/decisions/0006-duplicates.md for the values measured).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.ingest.signals import Signals

    Array = npt.NDArray[np.float64]

STEP_NS = 40_000_000
# Averaged over 6 steps, a quarter of a second: longer than a frame at 5 frames/s.
SMOOTH_STEPS = 6
# Standard deviation, per signal, below which what varies is coding noise: brightness and contrast
# in levels, change in levels a second, its moments in levels a second times shares of the picture.
NOISE = np.array([0.25, 0.25, 1.0, 0.125, 0.125])
# Contrast may have been changed by up to half as much again: a logarithm.
LARGEST_GAIN = float(np.log(1.5))
# What levels count for beside their slopes: with .4 the most copies pass above the closest of what
# is none (0006).
LEVELS = 0.4
# Where the levels begin, and where change and its moments do.
GROUPS = (0, 2)
# A lag at which levels agree less is not worth a closer look.
LEAST_LIKELY = 0.5
# The shortest overlap that is correlated: 1.5 s, in steps.
SHORTEST = 3 * SECOND_NS // 2 // STEP_NS


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two recordings move over some overlap.

    `agreement` is a correlation, -1..1; `weight`, 0..5, how many of the five signals vary by more
    than noise in both: where it is below 1, nothing moves and the agreement means nothing.
    """

    agreement: float
    weight: float


def resample(signals: Signals) -> Array:
    """Return (5, steps) on a grid of `STEP_NS`: brightness, contrast, change, and its moments.

    Step k stands at k * STEP_NS of the recording clock, averaged over `SMOOTH_STEPS` around it
    where there are frames. Change is a rate, since it grows with the time between frames, and is
    spread over that time; the moments are change times its centre's distance from the middle.
    """
    times = signals.times_ns.astype(np.float64)
    gaps = np.diff(times, prepend=times[0])
    levels = np.stack([signals.brightness, signals.contrast]).astype(np.float64)
    middles = (levels + np.roll(levels, 1, axis=1)) / 2
    centres = np.nan_to_num(np.stack([signals.centre_x, signals.centre_y]) - 0.5)
    change = signals.change.astype(np.float64)
    sums = np.cumsum(
        np.concatenate([middles * gaps, [change * SECOND_NS], centres * change * SECOND_NS]), axis=1
    )
    grid = np.arange(0, times[-1] + 1, STEP_NS)
    half = SMOOTH_STEPS * STEP_NS / 2
    before, after = np.clip([grid - half, grid + half], 0, times[-1])
    rises = [np.interp(after, times, row) - np.interp(before, times, row) for row in sums]
    return np.asarray(np.stack(rises) / np.maximum(after - before, 1), np.float64)


def compare_motion(one: Array, other: Array) -> Likeness:
    """Compare (5, n) with (5, n) steps of the same instants, in levels and in their slopes.

    Levels alone agree whenever somebody crosses the room (.97 over 3.6 s for two people); slopes
    over `SMOOTH_STEPS` tell them apart (.84).
    """
    if one.shape[1] <= 2 * SMOOTH_STEPS:
        return Likeness(0.0, 0.0)
    level, _ = _correlate(one, other)
    slope, weight = _correlate(_slopes(one), _slopes(other))
    return Likeness(LEVELS * level + (1 - LEVELS) * slope, weight)


def likeliest_lags(one: Array, other: Array, count: int) -> list[int]:
    """Return up to `count` lags, in steps, at which levels agree best over the whole overlap.

    Step k of `other` is then step k + lag of `one`. Overlaps under `SHORTEST` are not tried. Peaks
    only, best first: a lag's neighbours are not worth trying beside it.
    """
    size, width = one.shape[1], other.shape[1]
    if min(size, width) < SHORTEST:
        return []
    lags = np.arange(SHORTEST - width, size - SHORTEST + 1)
    start, end = np.maximum(lags, 0), np.minimum(lags + width, size)
    number = end - start
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    length = 1 << (size + width).bit_length()
    spectrum = np.fft.rfft(one, length) * np.fft.rfft(other, length).conj()
    products = np.fft.irfft(spectrum, length)[:, lags] / number
    means, variances = [], []
    for values, first in ((one, start), (other, start - lags)):
        total, square = (
            np.cumsum(np.pad(part, ((0, 0), (1, 0))), axis=1) for part in (values, values**2)
        )
        mean = (total[:, first + number] - total[:, first]) / number
        means.append(mean)
        variances.append((square[:, first + number] - square[:, first]) / number - mean**2)
    covariance = products - means[0] * means[1]
    spread = np.sqrt(np.maximum(variances[0], 0) * np.maximum(variances[1], 0)) + 1e-9
    weight = _weights(*variances)
    agreement = (weight * np.clip(covariance / spread, -1, 1)).sum(axis=0) / weight.sum(axis=0)
    peaks = np.flatnonzero(
        (agreement >= np.roll(agreement, 1)) & (agreement >= np.roll(agreement, -1))
    )
    peaks = peaks[agreement[peaks] >= LEAST_LIKELY]
    best = peaks[np.argsort(-agreement[peaks], kind="stable")[:count]]
    return [int(lag) for lag in lags[best]]


def _slopes(values: Array) -> Array:
    return values[:, SMOOTH_STEPS:] - values[:, :-SMOOTH_STEPS]


def _correlate(one: Array, other: Array) -> tuple[float, float]:
    """Return the agreement of (5, n) with (5, n), and its weight."""
    size = one.shape[1]
    one = one - (one.sum(axis=1) / size)[:, None]
    other = other - (other.sum(axis=1) / size)[:, None]
    mine, theirs, both = (
        np.einsum("st,st->s", *pair) / size for pair in ((one, one), (other, other), (one, other))
    )
    weight = _weights(mine, theirs)
    # Gains are shared: a change of contrast has one for both levels, and one, which depends on the
    # frame rate too, for change and its moments. Two events seldom share theirs.
    ratio = weight * np.log((theirs + 1e-9) / (mine + 1e-9)) / 2
    shared = np.add.reduceat(ratio, GROUPS) / np.add.reduceat(weight, GROUPS)
    gain = np.exp(np.clip(shared, -LARGEST_GAIN, LARGEST_GAIN)).repeat([2, 3])
    agreement = 2 * gain * both / (gain**2 * mine + theirs + 1e-9)
    return float(weight @ agreement / weight.sum()), float(weight.sum())


def _weights(one: Array, other: Array) -> Array:
    """Return how far variances of signals (first axis) are above noise, 0..1."""
    # Rounding may leave a variance below 0 where nothing varies.
    spread = np.sqrt(np.maximum(one, 0) * np.maximum(other, 0)) + 1e-9
    return np.asarray(spread / (spread + (NOISE**2).reshape(-1, *(1,) * (spread.ndim - 1))))
