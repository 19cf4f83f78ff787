"""The linear peer of a manifold: projections of views that agree on what is synchronised.

Arrays in, arrays out. Multi-set canonical correlation, of nodes of a graph: pairs of nodes of one
moment take the place of rows that all views have, so a view may have several nodes of a moment
(cameras) or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

from models.linear_codes import RIDGE, PrincipalComponents
from models.manifold_graph import synchronised

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]

# Components of a view that are correlated: more only add to an eigenproblem of all views together.
_COMPONENTS = 128


@dataclass(frozen=True, eq=False)
class Mcca:
    """`encode` is linear; dimensions are weighted by how well they agree, best first."""

    graph: Graph
    coordinates: Floats
    components: tuple[PrincipalComponents, ...]
    maps: tuple[Floats, ...]  # of each view (K_v, d)

    @classmethod
    def fit(
        cls, graph: Graph, dims: int, landmarks: int | None = None, *, ridge: float = RIDGE
    ) -> Mcca:
        """Fit; it has no use for landmarks.

        Solves C a = (1 + (V - 1) r) D a, where D has the covariance of each view and C those of
        synchronised nodes, view by view, besides. A dimension is weighted by its r.
        """
        del landmarks
        components = tuple(PrincipalComponents.fit(one, _COMPONENTS) for one in graph.views)
        codes = [fit.codes(x) for fit, x in zip(components, graph.views, strict=True)]
        widths = [x.shape[1] for x in codes]
        ends = np.cumsum([0, *widths])
        whole = np.zeros((len(graph.moment), ends[-1]))
        for cut, x, at in zip(graph.cuts, codes, ends, strict=False):
            whole[cut, at : at + x.shape[1]] = x
        view = np.repeat(np.arange(len(codes)), [len(x) for x in codes])
        one, other = synchronised(graph.moment)
        every, within = np.zeros((ends[-1],) * 2), np.zeros((ends[-1],) * 2)
        for u in range(len(codes)):
            for v in range(u, len(codes)):
                pairs = (view[one] == u) & (view[other] == v)
                a, b = slice(ends[u], ends[u + 1]), slice(ends[v], ends[v + 1])
                if pairs.any():
                    product = whole[one[pairs], a].T @ whole[other[pairs], b] / pairs.sum()
                    # Of a view with itself neither node is first.
                    every[a, b] = (product + product.T) / 2 if u == v else product
                    every[b, a] = every[a, b].T
            cut = slice(ends[u], ends[u + 1])
            own = codes[u].T @ codes[u] / len(codes[u])
            own[np.diag_indices_from(own)] += ridge * np.trace(own) / max(1, len(own)) + 1e-12
            every[cut, cut] += own
            within[cut, cut] = own
        kept = min(dims, int(ends[-1]))
        last = [int(ends[-1]) - kept, int(ends[-1]) - 1]
        values, vectors = eigh(every, within, subset_by_index=last)
        strength = np.maximum(values[::-1] - 1, 0) / max(1, len(codes) - 1)
        vectors = np.pad(vectors[:, ::-1] * strength, ((0, 0), (0, dims - kept)))
        maps = tuple(vectors[a:b] for a, b in pairwise(ends))
        placed = [x @ one for x, one in zip(codes, maps, strict=True)]
        return cls(graph, np.concatenate(placed), components, maps)

    def encode(self, view: int, rows: npt.NDArray[np.floating]) -> Floats:
        """Return where new rows (n, D_v) of a view lie, (n, d)."""
        scaled = np.asarray(rows, np.float64) / self.graph.scales[view]
        return np.asarray(self.components[view].codes(scaled) @ self.maps[view])
