"""LLE and LTSA through locally linear landmarks: what neighbours are to each other is kept.

Arrays in, arrays out. LLE: Roweis and Saul 2000. LTSA: Zhang and Zha 2004. Both ask for the
smallest eigenvectors of an N x N matrix M; with every node a mixture of nearby landmarks, Y = Z A,
they are those of the L x L pencil (Z' M Z, Z' Z): Vladymyrov and Carreira-Perpinan, "Locally linear
landmarks for large-scale manifold learning" (2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import block_diag, csr_matrix, identity, vstack

from models.manifold_graph import synchronised
from models.manifold_landmarks import farthest_landmarks, landmark_count

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.manifold_graph import Graph
    from models.manifold_landmarks import Landmarks

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Kind = Literal["lle", "ltsa"]

# Share of a neighbourhood's variance that is added to its Gram matrix: as scikit-learn does.
RIDGE = 1e-3
# A node is a mixture of so many landmarks more than it has coordinates.
_MIXED_BEYOND = 3
# Patches at once: (patches, k, D) fp64 is 50 MB for k = 10 and D = 64.
_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Patches:
    """Coordinates (N, d) of unit variance; `landmarks` (L,) are moments."""

    graph: Graph
    coordinates: Floats
    landmarks: Ints

    @classmethod
    def fit(cls, graph: Graph, kind: Kind, dims: int, landmarks: int | None = None) -> Patches:
        """Fit; as many landmarks as moments is LLE, or LTSA, itself.

        Raises:
            ValueError: no view has more than `dims` neighbours a node.
        """
        count = landmarks or landmark_count(graph.moments, dims)
        found = farthest_landmarks(graph, count)
        chosen = found.chosen
        mixture = _mixture(graph, found, dims)
        cost = _cost(graph, kind, dims)
        small = (mixture.T @ cost @ mixture).toarray()
        whole = (mixture.T @ mixture).toarray()
        # Landmarks that nobody is a mixture of would make it singular.
        whole[np.diag_indices_from(whole)] += 1e-9 * max(np.trace(whole) / len(whole), 1e-12)
        kept = min(dims, len(whole) - 1)
        # The first is the constant, which has no cost.
        _, vectors = eigh(small, whole, subset_by_index=[0, kept])
        placed = np.asarray(mixture @ vectors[:, 1:])
        placed -= placed.mean(axis=0)
        placed /= np.maximum(placed.std(axis=0), 1e-12)
        largest = np.take_along_axis(placed, np.abs(placed).argmax(axis=0)[None], axis=0)
        placed *= np.where(largest < 0, -1.0, 1.0)
        return cls(graph, np.pad(placed, ((0, 0), (0, dims - kept))), chosen)

    def encode(self, view: int, rows: npt.NDArray[np.floating]) -> Floats:
        """Return where new rows (n, D_v) of a view lie, (n, d): mixed of their neighbours' places.

        Rows of a constant view lie where its nodes lie on average.
        """
        cut = self.graph.cuts[view]
        if view in self.graph.constant:
            return np.tile(self.coordinates[cut].mean(axis=0), (len(rows), 1))
        asked, index, _ = self.graph.neighbours_of(view, rows)
        weight = barycentric(asked, self.graph.views[view], index)
        mixed: Floats = np.einsum("nk,nkd->nd", weight, self.coordinates[cut][index])
        return mixed


def barycentric(rows: Floats, points: Floats, index: Ints) -> Floats:
    """Return weights (n, k), of sum 1, with which points (P, D) at `index` (n, k) make each row.

    A row that equals some of them is their mean, near enough.
    """
    found = np.empty(index.shape)
    for at in range(0, len(rows), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        gap = points[index[some]] - rows[some, None]
        gram = gap @ gap.transpose(0, 2, 1)
        trace = np.trace(gram, axis1=1, axis2=2)
        diagonal = np.arange(index.shape[1])
        gram[:, diagonal, diagonal] += np.where(trace > 0, RIDGE * trace, RIDGE)[:, None]
        weight = np.linalg.solve(gram, np.ones((len(gram), index.shape[1], 1)))[..., 0]
        found[some] = weight / weight.sum(axis=1, keepdims=True)
    return found


def _sparse(index: Ints, weight: Floats, columns: int) -> csr_matrix:
    """Return (n, columns), row i with `weight[i]` at `index[i]`."""
    ends = np.arange(len(index) + 1) * index.shape[1]
    return csr_matrix((weight.ravel(), index.ravel(), ends), shape=(len(index), columns))


def _mixture(graph: Graph, found: Landmarks, dims: int) -> csr_matrix:
    """Return Z (N, L): a node of a landmark is that, any other a mixture of the nearest in view.

    The nearest by shortest paths: in a straight line the next landmark may lie on another sheet. A
    node whose view shows no landmark is what the other nodes of its moment are on average.
    """
    chosen, number = found.chosen, np.full(graph.moments, -1)
    number[chosen] = np.arange(len(chosen))
    parts, lost = [], np.zeros(len(graph.moment), bool)
    for v, (view, cut) in enumerate(zip(graph.views, graph.cuts, strict=True)):
        which = number[graph.moment[cut]]
        marks = np.flatnonzero(which >= 0)
        rows = np.flatnonzero(which < 0)
        if v in graph.constant or not len(marks):
            lost[cut] = True
            parts.append(csr_matrix((len(view), len(chosen))))
            continue
        k = min(dims + _MIXED_BEYOND, len(marks))
        index, weight = marks[:, None], np.ones((len(marks), 1))
        whole = _sparse(which[index], weight, len(chosen))
        order = marks
        if len(rows):
            paths = found.away[cut][rows][:, which[marks]]
            near = np.argpartition(paths, k - 1, axis=1)[:, :k]
            weight = barycentric(view[rows], view[marks], near)
            whole = vstack([whole, _sparse(which[marks][near], weight, len(chosen))])
            order = np.concatenate([marks, rows])
        parts.append(whole.tocsr()[np.argsort(order)])
    mixture = vstack(parts).tocsr()
    if lost.any():
        kept = np.flatnonzero(~lost)
        there = csr_matrix(
            (np.ones(len(kept)), (graph.moment[kept], kept)),
            shape=(graph.moments, len(graph.moment)),
        )
        count = np.maximum(1, np.asarray(there.sum(axis=1)))[:, 0]
        mean = csr_matrix((1 / count, (np.arange(len(count)),) * 2)) @ there @ mixture
        keep = csr_matrix(((~lost).astype(float), (np.arange(len(lost)),) * 2))
        fill = csr_matrix((lost.astype(float), (np.arange(len(lost)), graph.moment)))
        fill.resize((len(lost), graph.moments))
        mixture = (keep @ mixture + fill @ mean).tocsr()
    return mixture


def _cost(graph: Graph, kind: Kind, dims: int) -> csr_matrix:
    """Return M (N, N): what a view's neighbours ask for, and that synchronised nodes are one."""
    parts, most = [], 0
    for view, near in zip(graph.views, graph.near, strict=True):
        most = max(most, near.shape[1])
        if near.shape[1] <= dims:
            parts.append(csr_matrix((len(view), len(view))))
        elif kind == "lle":
            apart = identity(len(view)) - _sparse(near, barycentric(view, view, near), len(view))
            parts.append((apart.T @ apart).tocsr())
        else:
            parts.append(_alignment(view, near, dims))
    if most <= dims:
        raise ValueError(f"{dims} coordinates need more than {most} neighbours a node")
    cost = block_diag(parts, format="csr")
    one, other = synchronised(graph.moment)
    if not len(one):
        return cost
    # Each node is tied to the mean of its moment, whatever it has of partners.
    size = np.bincount(graph.moment)[graph.moment[one]]
    weight = 1.0 / size
    ties = csr_matrix((weight, (one, other)), shape=cost.shape)
    ties = ties + ties.T
    degree = np.asarray(ties.sum(axis=1))[:, 0]
    laplacian = csr_matrix((degree, (np.arange(len(degree)),) * 2)) - ties
    return (cost + laplacian).tocsr()


def _alignment(view: Floats, near: Ints, dims: int) -> csr_matrix:
    """Return LTSA's matrix: the sum over patches of I - G G', G the constant and the tangents."""
    count, k = near.shape
    blocks = np.empty((count, k, k))
    for at in range(0, count, _AT_ONCE):
        points = view[near[at : at + _AT_ONCE]]
        points = points - points.mean(axis=1, keepdims=True)
        _, vectors = np.linalg.eigh(points @ points.transpose(0, 2, 1))
        tangent = vectors[:, :, -dims:]
        blocks[at : at + _AT_ONCE] = np.eye(k) - 1 / k - tangent @ tangent.transpose(0, 2, 1)
    rows, columns = np.repeat(near, k, axis=1).ravel(), np.tile(near, (1, k)).ravel()
    return csr_matrix((blocks.ravel(), (rows, columns)), shape=(count, count))
