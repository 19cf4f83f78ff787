"""The graph that manifolds are read off: nodes of several views, neighbours, synchronised pairs.

Arrays in, arrays out. A node is one moment as one view (or camera) shows it. Views have unlike
numbers, so neighbours are sought within each; moments that several views show tie them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from models.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Pairs = tuple[Ints, Ints]

# Shorter edges are made so long: a sparse matrix takes a zero for no edge.
_LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class Graph:
    """V views of N nodes in all, numbered view by view.

    `views[v]` (N_v, D_v) are its nodes' numbers in units of a typical distance to a neighbour,
    `scales[v]` is that unit. `moment` (N,) says which nodes are synchronised, in 0..M-1.
    `near[v]` (N_v, k) are neighbours by their place in the view. `edges` (N, N) is symmetric and
    connected: `components` there were, and an edge each was laid between the nearest of them.
    Views in which all nodes are alike are `constant`: they have no neighbours. `duplicates` counts
    nodes that equal their nearest neighbour.
    """

    views: tuple[Floats, ...]
    scales: tuple[float, ...]
    moment: Ints
    near: tuple[Ints, ...]
    edges: csr_matrix
    components: int
    constant: tuple[int, ...]
    duplicates: int

    @cached_property
    def cuts(self) -> tuple[slice, ...]:
        """The nodes of each view."""
        ends = np.cumsum([0, *(len(one) for one in self.views)]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @cached_property
    def moments(self) -> int:
        """How many moments there are."""
        return int(self.moment.max()) + 1

    @cached_property
    def members(self) -> csr_matrix:
        """(M, N): row m averages over the nodes of moment m."""
        count = np.bincount(self.moment, minlength=self.moments)
        weight = 1.0 / count[self.moment]
        at = (self.moment, np.arange(len(self.moment)))
        return csr_matrix((weight, at), shape=(self.moments, len(self.moment)))

    def neighbours_of(
        self, view: int, rows: npt.NDArray[np.floating]
    ) -> tuple[Floats, Ints, Floats]:
        """Return new rows (n, D_v) in the view's units, their nearest nodes in it, and how far.

        Places within the view and distances are (n, k), k as in `near`.
        """
        asked = np.asarray(rows, np.float64) / self.scales[view]
        return asked, *nearest(asked, self.views[view], self.near[view].shape[1])

    def fused(self, coordinates: Floats) -> Floats:
        """Nodes' (N, d) -> moments' (M, d): the mean over the nodes of each."""
        return np.asarray(self.members @ coordinates)


def build_graph(
    views: Sequence[npt.NDArray[np.floating]],
    moments: Sequence[npt.NDArray[np.integer]] | None = None,
    *,
    neighbours: int = 10,
    cross: float = 0.1,
) -> Graph:
    """Return the graph of views (N_v, D_v) whose nodes show `moments` (N_v,), any integers.

    Each node has edges to its nearest in its view, as long as they are apart, and to all nodes of
    its moment, `cross` long in units of a typical edge. One view alone needs no moments.

    Raises:
        ValueError: nothing to make a graph of (no view with two unlike nodes), shapes that do not
            fit, or numbers that are not finite, naming their rows.
    """
    told = [np.asarray(one, np.float64) for one in views]
    given = [np.arange(len(one)) for one in told] if moments is None else moments
    _check(told, given)
    moment = np.unique(np.concatenate([*given]), return_inverse=True)[1].astype(np.int64)
    constant = tuple(v for v, one in enumerate(told) if np.ptp(one, axis=0).max(initial=0) == 0)
    if len(constant) == len(told):
        raise ValueError("every view is constant: there is no manifold in it")
    scaled, scales, near, parts, duplicates, start = [], [], [], [], 0, 0
    for v, one in enumerate(told):
        k = 0 if v in constant else min(neighbours, len(one) - 1)
        index, away = nearest(one, one, k, same=True) if k else _nobody(len(one))
        unit = float(away[away > 0].mean()) if (away > 0).any() else 1.0
        scaled.append(one / unit)
        scales.append(unit)
        near.append(index)
        duplicates += int((away[:, :1] == 0).sum())
        rows = np.repeat(np.arange(len(one)), k)
        parts.append((start + rows, start + index.ravel(), np.maximum(away.ravel() / unit, _LEAST)))
        start += len(one)
    here, there = synchronised(moment)
    parts.append((here, there, np.full(len(here), max(cross, _LEAST))))
    edges = _symmetric(parts, start)
    edges, components = _joined(edges, scaled, constant)
    return Graph(
        tuple(scaled),
        tuple(scales),
        moment,
        tuple(near),
        edges,
        components,
        constant,
        duplicates,
    )


def synchronised(moment: Ints) -> Pairs:
    """Return both ends of every pair of nodes of one moment, the lower number first."""
    order = np.argsort(moment, kind="stable")
    sizes = np.bincount(moment)
    found: list[tuple[Ints, Ints]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 1]):
        nodes = order[starts[sizes == size][:, None] + np.arange(size)]
        a, b = np.triu_indices(int(size), 1)
        found.append((nodes[:, a].ravel(), nodes[:, b].ravel()))
    one, other = (np.concatenate(part) for part in zip(*found, strict=True))
    return one, other


def _check(views: Sequence[Floats], moments: Sequence[npt.NDArray[np.integer]]) -> None:
    if len(views) != len(moments) or not views:
        raise ValueError(f"{len(views)} views and moments of {len(moments)}")
    for v, (one, which) in enumerate(zip(views, moments, strict=True)):
        if one.ndim != 2 or len(one) < 2 or which.shape != (len(one),):
            raise ValueError(f"view {v} is {one.shape} with moments {which.shape}")
        wrong = np.flatnonzero(~np.isfinite(one).all(axis=1))
        if len(wrong):
            told = ", ".join(map(str, wrong[:5])) + (" and more" if len(wrong) > 5 else "")
            raise ValueError(f"view {v}: not finite in rows {told}")


def _nobody(count: int) -> tuple[Ints, Floats]:
    return np.zeros((count, 0), np.int64), np.zeros((count, 0))


def _symmetric(parts: Sequence[tuple[Ints, Ints, Floats]], count: int) -> csr_matrix:
    """Lay every edge both ways; of two lengths of one edge the shorter counts."""
    one, other, length = (np.concatenate(part) for part in zip(*parts, strict=True))
    low, high = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((length, high, low))
    low, high, length = low[order], high[order], length[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    low, high, length = low[first], high[first], length[first]
    ends = (np.concatenate([low, high]), np.concatenate([high, low]))
    return coo_matrix((np.concatenate([length, length]), ends), shape=(count, count)).tocsr()


def _joined(
    edges: csr_matrix, views: Sequence[Floats], constant: Sequence[int]
) -> tuple[csr_matrix, int]:
    """Lay an edge from each component but the largest to the nearest other, until there is one.

    What shares no view with any other component cannot be measured against it: it is tied by an
    edge as long as the longest there is.
    """
    count, label = connected_components(edges, directed=False)
    components = count
    starts = np.cumsum([0, *(len(one) for one in views)])
    while count > 1:
        largest = int(np.bincount(label).argmax())
        extra: list[tuple[int, int, float]] = []
        for one in (c for c in range(count) if c != largest):
            pairs = [
                _shortest(views[v], label[starts[v] : starts[v + 1]] == one, int(starts[v]))
                for v in range(len(views))
                if v not in constant
            ]
            there = [pair for pair in pairs if pair is not None]
            if there:
                extra.append(min(there, key=lambda pair: pair[2]))
            else:
                ends = (int(np.flatnonzero(label == c)[0]) for c in (one, largest))
                extra.append((*ends, float(edges.data.max(initial=1.0))))  # type: ignore[arg-type]  # two of them
        old = edges.tocoo()
        parts = [
            (old.row.astype(np.int64), old.col.astype(np.int64), old.data),
            (
                np.array([e[0] for e in extra]),
                np.array([e[1] for e in extra]),
                np.maximum([e[2] for e in extra], _LEAST),
            ),
        ]
        edges = _symmetric(parts, edges.shape[0])
        count, label = connected_components(edges, directed=False)
    return edges, int(components)


def _shortest(
    view: Floats, inside: npt.NDArray[np.bool_], start: int
) -> tuple[int, int, float] | None:
    """Return the nearest pair of one node inside and one outside, by their numbers in the graph."""
    here, there = np.flatnonzero(inside), np.flatnonzero(~inside)
    if not len(here) or not len(there):
        return None
    index, away = nearest(view[here], view[there], 1)
    at = int(away[:, 0].argmin())
    return start + int(here[at]), start + int(there[index[at, 0]]), float(away[at, 0])
