"""Exact nearest neighbours of many points, by blocks of one matrix product or by a k-d tree.

Arrays in, arrays out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# Up to so many dimensions a tree finds 10 neighbours of 50,000 points in under a second; in 16 it
# already looks at most of them.
_TREE_DIMS = 8
# Squared distances of one block of queries: 32 MB of fp32.
_BLOCK_NUMBERS = 8 << 20
# Columns that are first told apart by their least value alone.
_CHUNK = 64
# Candidates beyond k that are measured again: fp32 differences of squares may swap near equals.
_SPARE = 6


def nearest(
    queries: Floats, points: Floats, count: int, *, same: bool = False
) -> tuple[Ints, Floats]:
    """Return the `count` nearest points of each query, (Q, D) and (P, D), nearest first.

    Gives indices and Euclidean distances, (Q, count) each. With `same` queries are the points, in
    their order, and none is its own neighbour; equal points are each other's, at distance 0.

    Raises:
        ValueError: there are fewer other points than `count`.
    """
    if len(points) - same < count:
        raise ValueError(f"{len(points) - same} points have no {count} neighbours to give")
    if points.shape[1] <= _TREE_DIMS:
        found = _by_tree(queries, points, count + same)
    else:
        found = _by_blocks(queries, points, min(count + same + _SPARE, len(points)))
    # Measured again in fp64, nearest first, equal ones in order of their number.
    away = np.empty(found.shape)
    rows = max(1, _BLOCK_NUMBERS // (found.shape[1] * points.shape[1]))
    for at in range(0, len(queries), rows):
        gap = queries[at : at + rows, None] - points[found[at : at + rows]]
        away[at : at + rows] = np.sqrt(np.einsum("qkd,qkd->qk", gap, gap))
    if same:
        away[found == np.arange(len(queries))[:, None]] = np.inf
    order = np.lexsort((found, away), axis=1)[:, :count]
    return np.take_along_axis(found, order, 1), np.take_along_axis(away, order, 1)


def _by_tree(queries: Floats, points: Floats, count: int) -> Ints:
    found = cKDTree(points).query(queries, count)[1]
    return np.asarray(found, np.int64).reshape(len(queries), count)


def _by_blocks(queries: Floats, points: Floats, count: int) -> Ints:
    """Choose by squared distances in fp32, of points less their mean.

    The nearest k lie in the k chunks of columns with the least minima: one pass over all distances
    finds those, and the selection proper sees few.
    """
    middle = points.mean(axis=0)
    there = torch.from_numpy((points - middle).astype(np.float32))
    asked = torch.from_numpy((queries - middle).astype(np.float32))
    chunks = -(-len(there) // _CHUNK)
    squares = torch.full((chunks * _CHUNK,), torch.inf)
    squares[: len(there)] = (there**2).sum(dim=1)
    # The query's own square is the same for all points: it changes no order.
    padded = torch.zeros(chunks * _CHUNK, there.shape[1])
    padded[: len(there)] = there
    rows = max(1, _BLOCK_NUMBERS // (chunks * _CHUNK))
    found = np.empty((len(queries), count), np.int64)
    for at in range(0, len(queries), rows):
        away = torch.addmm(squares, asked[at : at + rows], padded.T, alpha=-2.0)
        away = away.view(-1, chunks, _CHUNK)
        kept = away.amin(dim=2).topk(min(count, chunks), largest=False, sorted=False).indices
        near = away.gather(1, kept[..., None].expand(-1, -1, _CHUNK)).flatten(1)
        order = near.topk(count, largest=False, sorted=False).indices
        column = kept.gather(1, order // _CHUNK) * _CHUNK + order % _CHUNK
        found[at : at + rows] = column.numpy()
    return found
