"""How well nearest neighbours are the right ones: recall at k and mean average precision.

Arrays in, figures out. Ties are ranked against the method, so that equal codes for everything
score nothing rather than the luck of an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

CUTS = (1, 5, 10)
# Similarities closer than this are a tie: float32 codes of equal pictures differ by less.
TIE_DECIMALS = 6


@dataclass(frozen=True)
class Retrieval:
    """Per query, (N,): hits at each of `CUTS` and average precision; NaN where it has no answer."""

    hits: dict[int, Floats]
    precision: Floats

    @property
    def answerable(self) -> int:
        """Queries that have an admitted right answer: only these count."""
        return int(np.isfinite(self.precision).sum())

    def figures(self) -> dict[str, float]:
        """Return `r_at_1`, `r_at_5`, `r_at_10` and `map`, means over answerable queries."""
        found = {f"r_at_{cut}": _mean(hit) for cut, hit in self.hits.items()}
        return found | {"map": _mean(self.precision)}

    def of(self, query: int) -> dict[str, float]:
        """Return the same of one query; its `map` is its average precision."""
        found = {f"r_at_{cut}": float(hit[query]) for cut, hit in self.hits.items()}
        return found | {"map": float(self.precision[query])}


def cosine(queries: npt.NDArray[np.floating], gallery: npt.NDArray[np.floating]) -> Floats:
    """Cosine similarity of (N, D) and (M, D): (N, M). A vector of zeros is like nothing."""
    return _unit(queries) @ _unit(gallery).T


def retrieval(similarity: Floats, right: Bools, admitted: Bools) -> Retrieval:
    """Rank a gallery for each query by similarity, best first; all arguments are (N, M).

    `right` marks the answers; what is not `admitted` (the query itself, other items of its
    recording) is taken out of the gallery before anything is counted. Recall at k is whether any
    of the first k is right; average precision that of Manning et al. 2008, over all right items.

    Raises:
        ValueError: the shapes differ or a similarity is not finite.
    """
    if not similarity.shape == right.shape == admitted.shape:
        raise ValueError(f"shapes differ: {similarity.shape}, {right.shape}, {admitted.shape}")
    if not np.isfinite(similarity).all():
        raise ValueError("a similarity is not finite")
    near = np.where(admitted, similarity.round(TIE_DECIMALS), -np.inf)
    right = right & admitted
    order = np.lexsort((right, -near), axis=1)  # of equally near ones the wrong first
    ranked = np.take_along_axis(right, order, axis=1)
    answers = ranked.sum(axis=1)
    some = answers > 0
    hits = {k: np.where(some, ranked[:, :k].any(axis=1), np.nan) for k in CUTS}
    at = ranked.cumsum(axis=1) / np.arange(1, ranked.shape[1] + 1)
    precision = np.where(some, (at * ranked).sum(axis=1) / np.maximum(answers, 1), np.nan)
    return Retrieval(hits, precision)


def chance(right: Bools, admitted: Bools) -> Retrieval:
    """What a ranking by lot is expected to score; both are (N, M), as in `retrieval`.

    Of A admitted items R are right: recall at k is 1 - C(A - R, k) / C(A, k), average precision
    (H + (R - 1) (A - H) / (A - 1)) / A with H the A-th harmonic number.
    """
    every = admitted.sum(axis=1).astype(np.float64)
    answers = (right & admitted).sum(axis=1).astype(np.float64)
    some = answers > 0
    hits = {}
    for cut in CUTS:
        missed = np.ones(len(every))
        for k in range(cut):
            missed *= np.maximum(every - answers - k, 0) / np.maximum(every - k, 1)
        hits[cut] = np.where(some, 1 - missed, np.nan)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, right.shape[1] + 1))])
    h = harmonic[every.astype(int)]
    precision = h + (answers - 1) * (every - h) / np.maximum(every - 1, 1)
    return Retrieval(hits, np.where(some, precision / np.maximum(every, 1), np.nan))


def _unit(x: npt.NDArray[np.floating]) -> Floats:
    x = np.asarray(x, np.float64)
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    unit: Floats = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return unit


def _mean(x: Floats) -> float:
    return float(np.nanmean(x)) if np.isfinite(x).any() else float("nan")
