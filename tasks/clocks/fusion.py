"""Joins cameras, two groups at a time, into one session clock, and says how sure that is.

Reads what pairs of cameras say (`sync_pairs.py`); writes nothing. The surest two groups are joined
first, by all pairs across them at once: one pair may be ambiguous where three agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import erf, inf, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from tasks.clocks.pairs import Pair

    Floats = npt.NDArray[np.float64]

# An offset within so many frames of the likeliest one counts for it.
NEAR_FRAMES = 1.5
# What repeats (steps, a fan, keyframes) agrees at every turn, and which turn agrees best is decided
# by how it falls on the frames. If the best offset farther away than this has at most `CLEAR` of
# the nats of the first, it does not count against it; if it has as many, nothing is known.
APART_S, CLEAR = 0.25, 0.75
# Clocks that people or files give are right to about so much.
PRIOR_S = 2.0


@dataclass(frozen=True, slots=True)
class Joined:
    """Offsets (V,) in seconds with camera 0 at 0, and each camera's confidence of 0..1 (V,)."""

    offsets_s: Floats
    confidence: Floats


@dataclass
class _Group:
    """Cameras whose clocks are joined: {camera: offset in seconds}, some zero of their own."""

    offsets: dict[int, float]
    confidence: dict[int, float]


def join(
    pairs: Mapping[tuple[int, int], Pair], frames_s: Sequence[float], priors: Floats
) -> Joined:
    """Join all cameras; `pairs` has every (i, j) with i < j, `frames_s` (V,) the frames' steps.

    `priors` (V, V) is what else is known of `offset of j - offset of i`, NaN where nothing is.
    """
    groups = [_Group({camera: 0.0}, {camera: 1.0}) for camera in range(len(frames_s))]
    while len(groups) > 1:
        tried = [
            (*_meet(groups[a], groups[b], pairs, frames_s, priors), -a, -b)
            for a, b in combinations(range(len(groups)), 2)
        ]
        confidence, shift, a, b = max(tried)
        one, other = groups[-a], groups[-b]
        # The larger group keeps what it had: one camera that does not fit spoils only itself.
        for group in (one, other):
            if len(group.offsets) == min(len(one.offsets), len(other.offsets)):
                for camera in group.confidence:
                    group.confidence[camera] = min(confidence, group.confidence[camera])
        one.confidence |= other.confidence
        one.offsets |= {camera: at + shift for camera, at in other.offsets.items()}
        groups.remove(other)
    found = [groups[0].offsets[camera] for camera in range(len(frames_s))]
    sure = [groups[0].confidence[camera] for camera in range(len(frames_s))]
    return Joined(np.array(found) - found[0], np.array(sure))


def _meet(
    one: _Group,
    other: _Group,
    pairs: Mapping[tuple[int, int], Pair],
    frames_s: Sequence[float],
    priors: Floats,
) -> tuple[float, float]:
    """Return how sure the likeliest shift of the second group is, and that shift in seconds."""
    crossing = list(product(sorted(one.offsets), sorted(other.offsets)))
    first = next(iter(pairs.values()))
    grid = first.offsets_s
    total, given, count = np.zeros(len(grid)), np.zeros(len(grid)), 0
    for i, j in crossing:
        by = other.offsets[j] - one.offsets[i]
        pair = pairs[min(i, j), max(i, j)]
        curve = pair.curve if i < j else pair.curve[::-1]
        total += np.interp(grid + by, grid, curve, left=0, right=0)
        if np.isfinite(priors[i, j]):
            given -= (grid + by - priors[i, j]) ** 2 / (2 * PRIOR_S**2)
            count += 1
    # Four pairs across two groups see the same movements: they are no four witnesses, but two.
    total = total / sqrt(len(crossing)) + (given / count if count else 0)
    at = int(total.argmax())
    near = NEAR_FRAMES * max(frames_s[camera] for camera in (*one.offsets, *other.offsets))
    weight = np.exp(total - total[at])
    # No relation is as likely beforehand as all offsets together.
    nothing = np.exp(given / count).sum() if count else float(len(grid))
    alone = nothing * np.exp(-min(total[at], 700.0))
    sure = float(weight[np.abs(grid - grid[at]) <= near].sum() / (weight.sum() + alone))
    shift = float(grid[at])
    rival = float(total[np.abs(grid - shift) > max(near, APART_S)].max(initial=0))
    lead = 1 - rival / float(total[at]) if total[at] > 0 else 0.0
    sure *= min(1.0, lead / (1 - CLEAR))
    jitter = min((_jitter(pairs, i, j, shift, one, other) for i, j in crossing), default=inf)
    return sure * erf(near / (sqrt(2) * jitter)), shift


def _jitter(
    pairs: Mapping[tuple[int, int], Pair], i: int, j: int, shift: float, one: _Group, other: _Group
) -> float:
    offset = shift + other.offsets[j] - one.offsets[i]
    return pairs[i, j].jitter_s(offset) if i < j else pairs[j, i].jitter_s(-offset)
