"""How likely each offset between two cameras is, given a number that both see or hear over time.

Reads and writes nothing. A *trace* is such a number at instants of one recording's clock; a
*curve* the log-likelihood ratio, in nats, of each offset over no relation at all. Both traces are
whitened, so that what counts is what is new at an instant: slow trends agree at any offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

# Outliers count as this many robust deviations: a flash in one camera is one instant, not proof.
CLIP = 4.0
# Fewer common cells than this, or than this share of the shorter trace, say nothing.
MIN_CELLS, MIN_SHARE = 10, 0.25
# Correlation within a trace is summed up to this many cells: 8 s at 30 frames/s.
MEMORY_CELLS = 256
# How much of the ratio is believed: with all of it, 1 in 300 pairs of unrelated recordings agreed
# at .9 or more (see infra/decisions/0007-clocks.md); neighbours in time are not independent.
BELIEF = 0.8


@dataclass(frozen=True, slots=True)
class Trace:
    """A number over time: `times_s` (n,) grows, seconds of the recording clock; `values` (n,).

    `kind` is what it was made from: audio, motion or geometry; `step_s` how finely it tells
    time. Traces of one kind from two cameras are comparable up to scale and shift.
    """

    kind: str
    step_s: float
    times_s: Floats
    values: Floats


def trace(kind: str, times_s: Floats, values: Floats) -> Trace | None:
    """Return values centred and scaled robustly, or None where they tell nothing.

    None if there are fewer than `MIN_CELLS` of them, or no spread beyond a millionth.
    """
    if len(values) < MIN_CELLS:
        return None
    middle = float(np.median(values))
    spread = _spread(values - middle)
    if spread <= 1e-6 * max(1.0, abs(middle)):
        return None
    step_s = float(np.median(np.diff(times_s)))
    return Trace(kind, step_s, times_s, np.clip((values - middle) / spread, -CLIP, CLIP))


def without_spikes(values: Floats) -> Floats:
    """Return the median of each value and its neighbours (n,).

    One frame that differs is a keyframe's new coding or a flash of noise: keyframes, which
    cameras of one make place alike, would otherwise look like an event that they share.
    """
    padded = np.pad(values, 1, mode="edge")
    middle: Floats = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return middle


def curves(
    a: Trace,
    b: Trace,
    windows: Sequence[tuple[float, float]],
    offsets_s: Floats,
    orders: Sequence[int] = (1,),
) -> Floats:
    """Return for each window of `a` the curve over `offsets_s`: (windows, offsets), >= 0.

    An offset is where `b`'s clock starts minus where `a`'s does: what is seen at t of `a` is at
    t - offset of `b`. `offsets_s` grows evenly and is symmetric about 0. `orders` are those of
    the whitening, whose curves are averaged: 1 is sharp, 0 (none) is for coarse tracks.
    """
    step_s = max(a.step_s, b.step_s)
    reach = round(offsets_s[-1] / step_s) + 1
    lags = step_s * np.arange(-reach, reach + 1)
    found = np.zeros((len(windows), len(offsets_s)))
    for order in orders:
        (start_a, cells_a), (start_b, cells_b) = (_cells(one, step_s, order) for one in (a, b))
        independent = 1 / _memory(cells_a, cells_b)
        for number, (begin_s, end_s) in enumerate(windows):
            first, last = (
                int(np.clip(round(edge / step_s) - start_a, 0, len(cells_a)))
                for edge in (begin_s, end_s)
            )
            part = _curve(
                cells_a[first:last], start_a + first, cells_b, start_b, reach, independent
            )
            found[number] += np.interp(offsets_s, lags, part) / len(orders)
    return BELIEF * found


def _cells(one: Trace, step_s: float, order: int) -> tuple[int, Floats]:
    """Return a trace on a grid of cells, whitened, and its first cell's number.

    A cell that has no sample of its own lies on the line between its neighbours.
    """
    first = int(np.ceil(one.times_s[0] / step_s))
    last = int(np.floor(one.times_s[-1] / step_s))
    grid = step_s * np.arange(first, last + 1)
    values = np.interp(grid, one.times_s, one.values)
    return first, _whitened(values, order)


def _whitened(values: Floats, order: int) -> Floats:
    """Return what a one-step prediction leaves of values, or (order 0) the values, mean 0."""
    left: Floats = values - values.mean() if len(values) else values
    power = float(left @ left)
    if order and power > 0:
        share = float(left[1:] @ left[:-1]) / power
        left = np.concatenate([[0.0], left[1:] - share * left[:-1]])
        # Someone who enters once in each of two recordings is one instant, however large: without
        # this, two unrelated steps were one clock with a confidence of 1.00.
        limit = CLIP * _spread(left)
        left = np.clip(left, -limit, limit)
    return left


def _spread(values: Floats) -> float:
    """Return the robust deviation of values about 0, at least a quarter of the plain one.

    Where most are alike (a scene that stands still, digital silence) only the rest tell.
    """
    middle = 1.4826 * float(np.median(np.abs(values)))
    return max(middle, float(np.sqrt(np.mean(np.square(values)))) / 4)


def _memory(a: Floats, b: Floats) -> float:
    """Return how many cells stand for one independent one (Bartlett), at least 1."""
    reach = min(len(a), len(b), 2 * MEMORY_CELLS) // 2
    if reach < 2:
        return 1.0
    both = _own(a, reach) * _own(b, reach)
    fade = 1 - np.arange(1, reach) / reach
    return max(1.0, 1 + 2 * float(fade @ both[1:]))


def _own(values: Floats, reach: int) -> Floats:
    """Return the correlation of values with themselves at 0..reach - 1 cells: (reach,)."""
    length = _fast(2 * len(values))
    spectrum = np.fft.rfft(values, length)
    found = np.fft.irfft(spectrum * spectrum.conj(), length)[:reach]
    return np.asarray(found / max(found[0], 1e-12))


def _curve(
    a: Floats, start_a: int, b: Floats, start_b: int, reach: int, independent: float
) -> Floats:
    """Return n/2 log 1/(1 - r^2) at every lag of -reach..reach cells, 0 where r <= 0.

    r is the correlation over the cells that both have at that lag, with their own means.
    """
    lags = np.arange(-reach, reach + 1)
    # Only what some lag can bring under `a`.
    low = max(0, start_a - reach - start_b)
    high = max(low, min(len(b), start_a + len(a) + reach + 1 - start_b))
    short = min(len(a), len(b))
    b, start_b = b[low:high], start_b + low
    if len(a) < MIN_CELLS or len(b) < MIN_CELLS:
        return np.zeros(len(lags))
    length = _fast(len(a) + len(b))
    # Cell i of a meets cell i + shift of b.
    shift = start_a - start_b - lags
    meets = (shift > -len(a)) & (shift < len(b))
    at = shift[meets] % length
    ones_a, ones_b = np.ones_like(a), np.ones_like(b)
    fa = [np.fft.rfft(one, length).conj() for one in (ones_a, a, a * a)]
    fb = [np.fft.rfft(one, length) for one in (ones_b, b, b * b)]

    def total(one: int, other: int) -> Floats:
        return np.asarray(np.fft.irfft(fa[one] * fb[other], length)[at])

    n = np.maximum(np.round(total(0, 0)), 1)
    sum_a, sum_b = total(1, 0), total(0, 1)
    of_a = np.maximum(total(2, 0) - sum_a**2 / n, 1e-9)
    of_b = np.maximum(total(0, 2) - sum_b**2 / n, 1e-9)
    r = np.clip((total(1, 1) - sum_a * sum_b / n) / np.sqrt(of_a * of_b), 0, 0.999)
    likely = np.maximum(n * independent - 2, 0) / 2 * -np.log1p(-(r**2))
    # Few instants that both find new, each as large as all others together, are worth only their
    # number: how much more unequal the products are than those of normal numbers of this r.
    unequal = total(2, 2) * n / np.maximum(of_a * of_b * (1 + 2 * r**2), 1e-9)
    likely /= np.maximum(unequal, 1)
    enough = n >= max(MIN_CELLS, MIN_SHARE * short)
    found = np.zeros(len(lags))
    found[meets] = enough * likely
    return found


def _fast(length: int) -> int:
    return 1 << max(1, length - 1).bit_length()
