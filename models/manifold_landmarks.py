"""Landmarks far from one another, and how far every node is from each of them.

Arrays in, arrays out. Farthest-point sampling needs exactly the shortest paths that landmark
Isomap needs, so both are one pass: Dijkstra from each landmark as it is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import dijkstra

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

MOST, SHARE = 256, 10


@dataclass(frozen=True, eq=False)
class Landmarks:
    """L moments, `chosen` (L,), and `away` (N, L) fp32: a node's shortest path to any node of it.

    `between` (L, L) is symmetric: how far the landmarks are apart, the mean over the nodes of each.
    """

    chosen: Ints
    away: npt.NDArray[np.float32]
    between: Floats


def landmark_count(moments: int, dims: int) -> int:
    """How many landmarks so many moments have: a tenth, 256 at most, enough for `dims`."""
    return min(moments, max(min(MOST, moments // SHARE), 4 * dims))


def farthest_landmarks(graph: Graph, count: int, first: int = 0) -> Landmarks:
    """Choose `count` moments, each the farthest from those before, from moment `first` on.

    All of them if there are no more: then what is made of them is exact.
    """
    count = min(count, graph.moments)
    order = np.argsort(graph.moment, kind="stable")
    ends = np.cumsum(np.bincount(graph.moment, minlength=graph.moments))
    starts = ends - np.bincount(graph.moment, minlength=graph.moments)
    away = np.empty((count, len(graph.moment)), np.float32)
    least = np.full(len(graph.moment), np.inf)
    chosen = np.empty(count, np.int64)
    moment = first
    for k in range(count):
        chosen[k] = moment
        sources = order[starts[moment] : ends[moment]]
        found = dijkstra(graph.edges, directed=True, indices=sources, min_only=True)
        away[k] = found
        np.minimum(least, found, out=least)
        # None twice, however equal nodes are.
        least[sources] = -1.0
        moment = int(graph.moment[least.argmax()])
    by_node = np.ascontiguousarray(away.T)
    apart = np.asarray(graph.members[chosen] @ by_node.astype(np.float64))
    between = (apart + apart.T) / 2
    np.fill_diagonal(between, 0.0)
    return Landmarks(chosen, by_node, between)
