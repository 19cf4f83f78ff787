"""How well coordinates keep what was near near: trustworthiness, continuity, residual variance.

Arrays in, figures out. Of large sets a sample of points is asked, against all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating]
    Ints = npt.NDArray[np.int64]

# Points that are asked at once: their distances to 50,000 others take 100 MB.
_AT_ONCE = 256


def kept_neighbours(
    original: Floats, placed: Floats, k: int = 10, asked: Ints | None = None
) -> tuple[float, float]:
    """Return trustworthiness and continuity (Venna and Kaski 2001) of (N, D) placed as (N, d).

    Trustworthiness falls with points that came among the k nearest, continuity with those that
    left them, each by how far down it ranks on the other side; 1 is best. `asked` are the points
    whose neighbourhoods count (all).

    Raises:
        ValueError: there are not more than 2 k points.
    """
    count = len(original)
    if count <= 2 * k:
        raise ValueError(f"{count} points are too few for neighbourhoods of {k}")
    rows = np.arange(count) if asked is None else asked
    came = left = 0.0
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        before, after = (_away(x, some) for x in (original, placed))
        near_before, near_after = (np.argpartition(x, k, axis=1)[:, :k] for x in (before, after))
        came += _below(before, near_after, k)
        left += _below(after, near_before, k)
    most = len(rows) * k * (2 * count - 3 * k - 1) / 2
    return 1 - came / most, 1 - left / most


def residual_variance(geodesic: Floats, placed: Floats) -> float:
    """1 - R^2 between distances (any shape) and those of the coordinates, Tenenbaum et al. 2000."""
    a, b = (np.asarray(x, np.float64).ravel() for x in (geodesic, placed))
    if a.std() == 0 or b.std() == 0:
        return 1.0
    return float(1 - np.corrcoef(a, b)[0, 1] ** 2)


def neighbour_agreement(one: Floats, other: Floats, k: int = 10) -> float:
    """Return the mean share of the k nearest that two placements (N, d) have in common."""
    rows = np.arange(len(one))
    near = [np.argpartition(_away(x, rows), k, axis=1)[:, :k] for x in (one, other)]
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)]))


def cross_view_recall(
    asking: Floats, answering: Floats, k: int = 1, asked: Ints | None = None
) -> float:
    """Return how often row i of one view (N, d) finds row i of another among its k nearest.

    A tie is lost: what maps everything to one point finds nothing.
    """
    rows = np.arange(len(asking)) if asked is None else asked
    hits = 0
    for at in range(0, len(rows), _AT_ONCE):
        some = rows[at : at + _AT_ONCE]
        gap = _squares(asking[some], answering)
        own = gap[np.arange(len(some)), some]
        hits += int(((gap <= own[:, None] + 1e-12).sum(axis=1) <= k).sum())
    return hits / max(1, len(rows))


def _squares(one: Floats, other: Floats) -> npt.NDArray[np.float64]:
    middle = other.mean(axis=0)
    a, b = (np.asarray(x - middle, np.float64) for x in (one, other))
    found: npt.NDArray[np.float64] = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return found


def _away(x: Floats, some: Ints) -> npt.NDArray[np.float64]:
    """Return squared distances (n, N) of some points to all; to itself a point is farthest."""
    found = _squares(x[some], x)
    found[np.arange(len(some)), some] = np.inf
    return found


def _below(away: npt.NDArray[np.float64], near: Ints, k: int) -> float:
    """Sum by how much the points `near` (n, k) rank below the k nearest by `away` (n, N)."""
    ranked = np.sort(away, axis=1)
    own = np.take_along_axis(away, near, axis=1)
    ranks = np.stack([np.searchsorted(r, x) for r, x in zip(ranked, own, strict=True)]) + 1
    return float(np.maximum(ranks - k, 0).sum())
