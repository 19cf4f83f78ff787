"""Groups of vectors that are nearly equal, all pairs looked at, or those within inverted lists.

Arrays in, arrays out. Vectors of length 1; how far two are apart is 1 - their dot product. Groups
are connected: two of one group may be further apart than the bound, by way of others between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from models.inverted_lists import InvertedLists

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]
    Pair = tuple[Integers, Integers]

# Products of one block: 64 MB.
_BLOCK_NUMBERS = 16 << 20
# Lists nearest to a list's centre whose vectors its own are held against.
_LISTS = 8
# Of larger groups so many, evenly spread, say which one is in the middle.
_JUDGES = 512


def near_groups(
    vectors: Floats,
    within: float,
    apart: Callable[[Integers, Integers], npt.NDArray[np.bool_]],
    lists: InvertedLists | None = None,
) -> list[Integers]:
    """Return the connected groups of (N, D) vectors no further apart than `within`.

    `apart(a, b)` says which pairs may be tied. The first of a group is its medoid, of least mean
    distance to the others; they follow by their distance to it. Larger groups come first.
    """
    root = np.arange(len(vectors))
    pairs = _all_pairs(vectors, within) if lists is None else _listed(vectors, within, lists)
    for a, b in pairs:
        kept = apart(a, b)
        if kept.any():
            root = _joined(root, a[kept], b[kept])
    order = np.argsort(root, kind="stable")
    cuts = np.flatnonzero(np.diff(root[order], prepend=-1))
    groups = [one for one in np.split(order, cuts[1:]) if len(one) > 1]
    found = [_from_the_middle(vectors, one) for one in groups]
    return sorted(found, key=lambda one: (-len(one), int(one.min())))


def _all_pairs(vectors: Floats, within: float) -> Iterator[Pair]:
    rows = max(1, _BLOCK_NUMBERS // max(1, len(vectors)))
    for at in range(0, len(vectors), rows):
        # Those before have met them already.
        near = vectors[at : at + rows] @ vectors[at:].T >= 1 - within
        a, b = np.nonzero(near)
        ordered = a < b
        yield a[ordered] + at, b[ordered] + at


def _listed(vectors: Floats, within: float, lists: InvertedLists) -> Iterator[Pair]:
    """A pair is missed where neither's list is near the other's: about none that is nearly equal.

    Held against fp16 first, and those that may be near against the vectors themselves.
    """
    for k, centre in enumerate(lists.centres):
        own = lists.rows[lists.starts[k] : lists.starts[k + 1]].astype(np.int64)
        if not len(own):
            continue
        rows, products = lists.members(lists.nearest_lists(centre, _LISTS), vectors[own])
        b, a = np.nonzero(products >= 1 - within - 1e-3)
        one, other = own[a], rows[b]
        ordered = one != other
        one, other = one[ordered], other[ordered]
        for at in range(0, len(one), 1 << 16):
            some = slice(at, at + (1 << 16))
            exact = np.einsum("nd,nd->n", vectors[one[some]], vectors[other[some]])
            near = exact >= 1 - within
            yield one[some][near], other[some][near]


def _joined(root: Integers, a: Integers, b: Integers) -> Integers:
    """Return the roots after pairs are tied; the root of a group is one number for all of it."""
    count = len(root)
    ones = np.ones(len(a), bool)
    graph = coo_matrix((ones, (root[a], root[b])), shape=(count, count))
    found: Integers = connected_components(graph, directed=False)[1][root].astype(np.int64)
    return found


def _from_the_middle(vectors: Floats, group: Integers) -> Integers:
    judges = group[np.linspace(0, len(group) - 1, min(len(group), _JUDGES)).astype(np.int64)]
    middle = int(group[(vectors[group] @ vectors[judges].sum(axis=0)).argmax()])
    away = 1 - vectors[group] @ vectors[middle]
    away[group == middle] = -1
    found: Integers = group[np.lexsort((group, away))]
    return found
