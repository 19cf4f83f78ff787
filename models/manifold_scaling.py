"""Landmark MDS and Isomap: coordinates from squared distances to landmarks, for any new point too.

Arrays in, arrays out. De Silva and Tenenbaum, "Sparse multidimensional scaling using landmark
points" (2004): y(x) = -1/2 L# (delta_x - mean delta), delta_x the squared distances to landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.linear_codes import PrincipalComponents
from models.manifold_landmarks import farthest_landmarks, landmark_count

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.manifold_graph import Graph

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# Dimensions that MDS places points in before it keeps those that were asked for.
_WIDE = 128


@dataclass(frozen=True)
class Triangulation:
    """The linear map from squared distances to L landmarks to d coordinates, best first."""

    mean: Floats  # (L,)
    inverse: Floats  # (d, L)

    @classmethod
    def of(cls, between: Floats, dims: int) -> Triangulation:
        """Fit to the distances between landmarks, (L, L); directions they do not span are 0."""
        squares = between**2
        mean = squares.mean(axis=0)
        centred = -(squares - mean - mean[:, None] + mean.mean()) / 2
        values, vectors = np.linalg.eigh(centred)
        kept = np.argsort(values)[::-1][:dims]
        kept = kept[values[kept] > 1e-9 * max(values[-1], 1e-300)]
        inverse = np.zeros((dims, len(mean)))
        inverse[: len(kept)] = (vectors[:, kept] / np.sqrt(values[kept])).T
        # Which way an axis points is for the solver to say: the largest entry is made positive.
        largest = np.take_along_axis(inverse, np.abs(inverse).argmax(axis=1)[:, None], axis=1)
        return cls(mean, inverse * np.where(largest < 0, -1.0, 1.0))

    def place(self, away: npt.NDArray[np.floating]) -> Floats:
        """Return (n, d) from distances to the landmarks, (n, L)."""
        return -0.5 * (np.asarray(away, np.float64) ** 2 - self.mean) @ self.inverse.T


@dataclass(frozen=True, eq=False)
class Isomap:
    """Geodesic distances kept (Tenenbaum et al. 2000), through landmarks.

    `coordinates` (N, d) are of all nodes; `landmarks` (L,) are moments, `away` (N, L) the geodesic
    distances of nodes to them.
    """

    graph: Graph
    coordinates: Floats
    landmarks: Ints
    away: npt.NDArray[np.float32]
    triangulation: Triangulation

    @classmethod
    def fit(cls, graph: Graph, dims: int, landmarks: int | None = None) -> Isomap:
        """Fit; as many landmarks as moments is Isomap itself."""
        found = farthest_landmarks(graph, landmarks or landmark_count(graph.moments, dims))
        triangulation = Triangulation.of(found.between, dims)
        placed = triangulation.place(found.away)
        return cls(graph, placed, found.chosen, found.away, triangulation)

    def encode(self, view: int, rows: npt.NDArray[np.floating]) -> Floats:
        """Return where new rows (n, D_v) of a view lie, (n, d), by way of their neighbours.

        Rows of a constant view lie where its nodes lie on average.
        """
        cut = self.graph.cuts[view]
        if view in self.graph.constant:
            return np.tile(self.coordinates[cut].mean(axis=0), (len(rows), 1))
        asked, index, away = self.graph.neighbours_of(view, rows)
        paths = self.away[cut]
        best = np.full((len(asked), len(self.landmarks)), np.inf, np.float32)
        for j in range(index.shape[1]):
            np.minimum(best, paths[index[:, j]] + away[:, j, None].astype(np.float32), out=best)
        return self.triangulation.place(best)


@dataclass(frozen=True, eq=False)
class Mds:
    """Euclidean distances kept (classical scaling), through landmarks.

    Points are placed in more dimensions than asked for, and those of most variance over all points
    are kept: landmarks alone are no fair sample of it. A landmark is a moment; how far a node is
    from it, its own view says, each in units of that view's mean distance between landmarks. Views
    agree on what is far by their mean.
    """

    graph: Graph
    coordinates: Floats
    landmarks: Ints
    anchors: tuple[Floats, ...]  # of each view (L, D_v), NaN where a landmark is not seen by it
    units: tuple[float, ...]
    triangulation: Triangulation

    @classmethod
    def fit(cls, graph: Graph, dims: int, landmarks: int | None = None) -> Mds:
        """Fit; as many landmarks as moments is classical scaling itself."""
        count = landmarks or landmark_count(graph.moments, dims)
        chosen = farthest_landmarks(graph, count).chosen
        anchors, units, squares = [], [], []
        for view, cut in zip(graph.views, graph.cuts, strict=True):
            place = graph.members[chosen][:, cut]
            weight = np.asarray(place.sum(axis=1))[:, 0]
            anchor = np.full((len(chosen), view.shape[1]), np.nan)
            seen = weight > 0
            anchor[seen] = (place @ view)[seen] / weight[seen, None]
            square = _squares(anchor, anchor)
            unit = float(np.sqrt(np.nanmean(square))) if seen.any() else 1.0
            anchors.append(anchor)
            units.append(unit or 1.0)
            squares.append(square / units[-1] ** 2)
        told = np.stack([one for v, one in enumerate(squares) if v not in graph.constant])
        known = np.isfinite(told)
        mean = np.where(known, told, 0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
        # Two landmarks that no view has both of are as far apart as two are on average.
        mean[~known.any(axis=0)] = mean[known.any(axis=0)].mean()
        wide = max(dims, min(len(chosen) - 1, _WIDE))
        triangulation = Triangulation.of(np.sqrt(np.maximum(mean, 0)), wide)
        found = cls(
            graph,
            np.zeros((0, dims)),
            chosen,
            tuple(anchors),
            tuple(units),
            triangulation,
        )
        placed = np.concatenate([found._placed(v, view) for v, view in enumerate(graph.views)])
        # Of moments, not of nodes: how one view's nodes lie to another's is no direction to keep.
        axes = PrincipalComponents.fit(graph.fused(placed), dims).axes
        axes = np.pad(axes, ((0, dims - len(axes)), (0, 0)))
        turned = Triangulation(triangulation.mean, axes @ triangulation.inverse)
        return replace(found, coordinates=placed @ axes.T, triangulation=turned)

    def encode(self, view: int, rows: npt.NDArray[np.floating]) -> Floats:
        """Return where new rows (n, D_v) of a view lie, (n, d)."""
        return self._placed(view, np.asarray(rows, np.float64) / self.graph.scales[view])

    def _placed(self, view: int, rows: Floats) -> Floats:
        anchor, unit = self.anchors[view], self.units[view]
        found = np.empty((len(rows), self.triangulation.inverse.shape[0]))
        for at in range(0, len(rows), 4096):
            square = _squares(rows[at : at + 4096], anchor) / unit**2
            # What cannot be measured says nothing: the formula takes differences from the mean.
            square = np.where(np.isfinite(square), square, self.triangulation.mean)
            found[at : at + 4096] = self.triangulation.place(np.sqrt(square))
        return found


def _squares(one: Floats, other: Floats) -> Floats:
    """(n, D) and (m, D) -> squared distances (n, m); NaN rows give NaN."""
    middle = np.nanmean(other, axis=0) if np.isfinite(other).any() else 0.0
    a, b = one - middle, other - middle
    found = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    squares: Floats = np.maximum(found, 0)
    return squares
