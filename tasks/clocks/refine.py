"""Offsets to a fraction of a frame, and drifts where they can be told from none.

Reads what pairs of cameras say and where their offsets are about; writes nothing. Every window of
every pair measures one difference between two clocks; all are fitted at once, so that what holds
between a and b, b and c, also holds between a and c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.clocks.pairs import MAX_DRIFT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from tasks.clocks.pairs import Pair

    Floats = npt.NDArray[np.float64]

# A window whose best offset within these frames of the expected one says less than 2 nats, or
# lies at their edge, measures nothing.
REACH_FRAMES, MIN_NATS = 2.5, 2.0
# A drift is claimed if it is this many standard errors from none, and known to this well.
CLAIM_ERRORS, CLAIM_DRIFT = 3.0, 25e-6
# Beyond this many deviations a measurement counts less (Huber).
TAIL = 1.5


@dataclass(frozen=True, slots=True)
class Fit:
    """Offsets (V,) in seconds and drifts (V,), of which camera 0 has none of either.

    A moment at t of a camera's clock is at `offset + t - drift t` of the session's.
    """

    offsets_s: Floats
    drifts: Floats


@dataclass(frozen=True, slots=True)
class _Measure:
    """One window's difference between clocks j and i, at `at_s` of i's, and its variance."""

    i: int
    j: int
    at_s: float
    offset_s: float
    variance: float


def refine(
    pairs: Mapping[tuple[int, int], Pair], about_s: Floats, frames_s: Sequence[float]
) -> Fit:
    """Fit all offsets and drifts near `about_s` (V,); `frames_s` (V,) are the frames' steps."""
    measures = [
        found
        for (i, j), pair in sorted(pairs.items())
        for found in _measured(
            pair, i, j, float(about_s[j] - about_s[i]), max(frames_s[i], frames_s[j])
        )
    ]
    count = len(about_s)
    windows = max((len(pair.middles_s) for pair in pairs.values()), default=1)
    drifting = list(range(1, count)) if windows >= 3 else []
    solution, errors = _solve(measures, about_s, frames_s, drifting)
    kept = [
        camera
        for k, camera in enumerate(drifting, count - 1)
        if abs(solution[k]) > CLAIM_ERRORS * errors[k] and errors[k] <= CLAIM_DRIFT
    ]
    if kept != drifting:
        solution, _ = _solve(measures, about_s, frames_s, kept)
    drifts = np.zeros(count)
    drifts[kept] = solution[count - 1 :]
    return Fit(np.concatenate([[0.0], solution[: count - 1]]), drifts)


def _measured(pair: Pair, i: int, j: int, about_s: float, frame_s: float) -> list[_Measure]:
    """Return what each window of a pair measures near an offset at time 0."""
    grid = pair.offsets_s
    step = float(grid[1] - grid[0])
    side = max(1, round(pair.step_s / step))
    reach = max(side + 1, round(REACH_FRAMES * frame_s / step))
    centre = round((about_s - grid[0]) / step)
    if not reach < centre < len(grid) - reach:
        return []
    near = slice(centre - reach, centre + reach + 1)
    drift = float(pair.drifts[near][int(pair.curve[near].argmax())])
    total = sum(pair.parts.values(), np.zeros((len(pair.middles_s), len(grid))))
    found = []
    for curve, middle in zip(total, pair.middles_s, strict=True):
        low = round((about_s + drift * middle - grid[0]) / step) - reach
        if low < side or low + 2 * reach + side >= len(grid):
            continue
        at = low + int(curve[low : low + 2 * reach + 1].argmax())
        before, top, after = curve[at - side], curve[at], curve[at + side]
        bend = 2 * top - before - after
        if at in (low, low + 2 * reach) or top < MIN_NATS or bend <= 0:
            continue
        peak = float(np.clip(0.5 * (after - before) / bend, -1, 1))
        width = side * step
        jitter = pair.view_jitter_s(pair.kind_at(at), _common(pair, middle))
        found.append(
            _Measure(i, j, float(middle), float(grid[at]) + peak * width,
                     width**2 / float(bend) + jitter**2)
        )  # fmt: skip
    return found


def _common(pair: Pair, middle: float) -> float:
    """Return about how long the window around a middle is."""
    if len(pair.middles_s) == 1:
        return min(pair.lengths_s)
    return 2 * float(min(middle, pair.middles_s[0]))


def _solve(
    measures: Sequence[_Measure], about_s: Floats, frames_s: Sequence[float], drifting: list[int]
) -> tuple[Floats, Floats]:
    """Return offsets of cameras 1.. and drifts of `drifting`, and their standard errors."""
    count = len(about_s) - 1
    width = count + len(drifting)
    rows = np.zeros((len(measures), width))
    given = np.array([m.offset_s for m in measures])
    deviation = np.sqrt([m.variance for m in measures])
    column = {camera: count + k for k, camera in enumerate(drifting)}
    for row, m in zip(rows, measures, strict=True):
        # offset_j - offset_i + drift_i t_i - drift_j t_j, where both see one moment.
        for camera, sign, t_s in ((m.i, -1, m.at_s), (m.j, 1, m.at_s - m.offset_s)):
            if camera:
                row[camera - 1] = sign
            if camera in column:
                row[column[camera]] = -sign * t_s
    # Where nothing measures, what was joined stands, to a frame, and drift to what crystals have.
    prior = np.concatenate([about_s[1:], np.zeros(len(drifting))])
    prior_deviation = np.array([*frames_s[1:], *[MAX_DRIFT] * len(drifting)])
    solution, weights = prior, np.ones(len(measures))
    inverse = np.diag(prior_deviation**2)
    for _ in range(10):
        scaled = rows * (np.sqrt(weights) / deviation)[:, None]
        normal = scaled.T @ scaled + np.diag(prior_deviation**-2)
        target = scaled.T @ (given * np.sqrt(weights) / deviation) + prior / prior_deviation**2
        solution = np.linalg.solve(normal, target)
        inverse = np.linalg.inv(normal)
        off = np.abs(given - rows @ solution) / deviation
        weights = np.minimum(1, TAIL / np.maximum(off, 1e-9))
    spare = max(1, len(measures) - width)
    worse = max(1.0, float((weights * off**2).sum()) / spare) if len(measures) else 1.0
    return solution, np.sqrt(worse * np.diag(inverse))
