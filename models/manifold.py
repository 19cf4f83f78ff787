"""Manifold learning behind one interface: `fit(graph) -> coordinates, encoder`.

Arrays in, arrays out. Each method is a file beside this one; the graph is `manifold_graph.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from models.manifold_linear import Mcca
from models.manifold_patches import Patches
from models.manifold_scaling import Isomap, Mds

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]


class Manifold(Protocol):
    """What every method gives: where nodes lie, and where new rows of a view do."""

    @property
    def coordinates(self) -> Floats:
        """(N, d), of the graph's nodes in their order."""

    def encode(self, view: int, rows: npt.NDArray[np.floating]) -> Floats:
        """Return where new rows (n, D_v) of a view lie, (n, d), without fitting again."""


Fit = "Callable[[Graph, int, int | None], Manifold]"


def _lle(graph: Graph, dims: int, landmarks: int | None = None) -> Manifold:
    return Patches.fit(graph, "lle", dims, landmarks)


def _ltsa(graph: Graph, dims: int, landmarks: int | None = None) -> Manifold:
    return Patches.fit(graph, "ltsa", dims, landmarks)


METHODS: dict[str, Callable[[Graph, int, int | None], Manifold]] = {
    "isomap": Isomap.fit,
    "mds": Mds.fit,
    "lle": _lle,
    "ltsa": _ltsa,
    "mcca": Mcca.fit,
}


def fit_manifold(method: str, graph: Graph, dims: int, landmarks: int | None = None) -> Manifold:
    """Place the nodes of a graph in `dims` dimensions; landmarks are a tenth, 256 at most.

    Raises:
        ValueError: no such method, or it needs more neighbours than the graph has.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)}")
    return METHODS[method](graph, dims, landmarks)
