"""Which items to keep under a budget, so that what is kept stands for all: a coreset.

Arrays in, indices out. Items are vectors of length 1 and have costs; distance is 1 - cosine.
k-centre by farthest point (Gonzalez 1985) keeps the worst served item near; medoids with swaps
(PAM, Kaufman and Rousseeuw 1990) keep the mean near. Random and uniform in time are the controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Swaps that are tried before the climb ends anyway: it has always ended by itself before.
MOST_SWAPS = 10_000


def distances(vectors: npt.NDArray[np.floating]) -> Floats:
    """Return 1 - cosine of all pairs of (N, D): (N, N), in 0..2."""
    x = np.asarray(vectors, np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.asarray(np.clip(1 - x @ x.T, 0, 2))


def random_items(apart: Floats, costs: Floats, budget: float, seed: int = 0) -> Ints:
    """Take items in random order while they fit."""
    order = np.random.default_rng(seed).permutation(len(apart))
    return _while_they_fit(order, costs, budget)


def uniform_items(
    apart: Floats,
    costs: Floats,
    budget: float,
    seed: int = 0,  # noqa: ARG001  nothing is drawn
) -> Ints:
    """Take items evenly spaced in their given order, as many as fit."""
    low, high, best = 0, len(apart), np.zeros(0, np.int64)
    while low < high:
        count = (low + high + 1) // 2
        taken = np.unique(((np.arange(count) + 0.5) * len(apart) / count).astype(np.int64))
        if costs[taken].sum() <= budget:
            low, best = count, taken
        else:
            high = count - 1
    return best


def k_centre(
    apart: Floats,
    costs: Floats,
    budget: float,
    seed: int = 0,  # noqa: ARG001  nothing is drawn
) -> Ints:
    """Begin at the medoid, then always take the item farthest from all that are kept.

    One that does not fit is passed over. Without costs it is at most twice as far from the
    farthest item as any choice of as many.
    """
    open_ = costs <= budget
    chosen: list[int] = []
    left = budget
    if open_.any():
        chosen.append(int(np.where(open_, apart.sum(axis=1), np.inf).argmin()))
        left -= costs[chosen[0]]
    nearest = apart[:, chosen].min(axis=1) if chosen else np.full(len(apart), np.inf)
    open_[chosen] = False
    while (open_ := open_ & (costs <= left)).any():
        item = int(np.where(open_, nearest, -1.0).argmax())
        chosen.append(item)
        open_[item] = False
        left -= costs[item]
        nearest = np.minimum(nearest, apart[:, item])
    return np.sort(np.array(chosen, np.int64))


def medoids(apart: Floats, costs: Floats, budget: float, seed: int = 0) -> Ints:
    """Build by the most gain a cost, then swap while the mean distance to what is kept falls.

    Swaps are tried in random order and taken when they are better and fit; what then fits besides
    is added. It ends where no swap is better, so it is at least as good as its start.
    """
    rng = np.random.default_rng(seed)
    kept = _built(apart, costs, budget)
    for _ in range(MOST_SWAPS):
        swapped = _swapped(apart, costs, budget, kept, rng)
        if swapped is None:
            break
        kept = swapped
        _add_what_fits(apart, costs, budget, kept)
    return np.flatnonzero(kept)


def cost_of(apart: Floats, chosen: Ints) -> float:
    """Return the mean distance of all items to the nearest that is kept; 2 if none is."""
    return float(apart[:, chosen].min(axis=1).mean()) if len(chosen) else 2.0


SELECTIONS: dict[str, Callable[[Floats, Floats, float, int], Ints]] = {
    "random": random_items,
    "uniform": uniform_items,
    "k-centre": k_centre,
    "medoids": medoids,
}


def _while_they_fit(order: Ints, costs: Floats, budget: float) -> Ints:
    chosen, left = [], budget
    for item in order.tolist():
        if costs[item] <= left:
            chosen.append(item)
            left -= costs[item]
    return np.sort(np.array(chosen, np.int64))


def _built(apart: Floats, costs: Floats, budget: float) -> Bools:
    kept = np.zeros(len(apart), bool)
    _add_what_fits(apart, costs, budget, kept)
    return kept


def _add_what_fits(apart: Floats, costs: Floats, budget: float, kept: Bools) -> None:
    """Add in place, always what brings most a cost, as long as anything fits."""
    nearest = apart[:, kept].min(axis=1) if kept.any() else np.full(len(apart), 2.0)
    while True:
        left = budget - costs[kept].sum()
        open_ = ~kept & (costs <= left)
        if not open_.any():
            return
        gains = np.maximum(nearest[:, None] - apart, 0).sum(axis=0)
        item = int(np.where(open_, gains / np.maximum(costs, 1e-12), -1.0).argmax())
        kept[item] = True
        nearest = np.minimum(nearest, apart[:, item])


def _swapped(
    apart: Floats, costs: Floats, budget: float, kept: Bools, rng: np.random.Generator
) -> Bools | None:
    """Return the choice after the first better swap, None if no swap is better."""
    now = apart[:, kept].min(axis=1).sum() if kept.any() else np.inf
    left = budget - costs[kept].sum()
    for out in rng.permutation(np.flatnonzero(kept)).tolist():
        rest = kept.copy()
        rest[out] = False
        base = apart[:, rest].min(axis=1) if rest.any() else np.full(len(apart), 2.0)
        fits = ~kept & (costs <= left + costs[out])
        if not fits.any():
            continue
        sums = np.minimum(base[:, None], apart[:, fits]).sum(axis=0)
        # Beyond rounding: a swap and its reverse must not both be better.
        if sums.min() < now * (1 - 1e-12) - 1e-12:
            rest[np.flatnonzero(fits)[int(sums.argmin())]] = True
            return rest
    return None
