"""Nearest neighbours in groups: a group answers by its best vector.

Arrays in, arrays out. Vectors of length 1, so the dot product is the cosine. A group is what is
found (a clip, of which there are several windows); its vectors stand one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.inverted_lists import InvertedLists

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]


# Vectors that meet all queries at once: 4 MB at 128 numbers.
_BLOCK = 8192
# Lists that are looked at for each query, at the least: of 2,048 lists of a million codes.
PROBES = 8
# A filter that leaves less than this share of all groups is answered exactly: the lists that hold
# enough of it would be most of them.
LEAST_SHARE = 0.125


class Nearest(NamedTuple):
    """The best groups, best first: which, how near (cosine), and which of its vectors it was."""

    groups: Integers  # (K,)
    scores: Floats  # (K,)
    vectors: Integers  # (K,)


def unit(vectors: Floats) -> Floats:
    """(N, D) -> the same directions of length 1; a vector of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = (vectors / np.maximum(length, 1e-12)).astype(np.float32)
    return found


def similarities(vectors: Floats, queries: Floats) -> Floats:
    """Cosines of (N, D) with the nearest of (Q, D) queries: (N,)."""
    if len(queries) == 1:
        one: Floats = vectors @ queries[0]
        return one
    # By blocks, each read once for all queries.
    best = np.empty(len(vectors), np.float32)
    for at in range(0, len(vectors), _BLOCK):
        best[at : at + _BLOCK] = (vectors[at : at + _BLOCK] @ queries.T).max(axis=1)
    return best


def nearest_groups(
    scores: Floats, starts: Integers, count: int, allowed: npt.NDArray[np.bool_] | None = None
) -> Nearest:
    """Return the `count` best groups of (N,) scores; group g begins at `starts[g]`.

    `allowed` (G,) says which may be found. Of equal ones the earlier comes first. Fewer are
    returned where there are no more.
    """
    if not len(starts):
        empty = np.empty(0, np.int64)
        return Nearest(empty, np.empty(0, np.float32), empty)
    best = np.maximum.reduceat(scores, starts)
    if allowed is not None:
        best = np.where(allowed, best, -np.inf)
    groups = _top(best, count)
    groups = groups[np.isfinite(best[groups])]
    ends = np.append(starts[1:], len(scores))
    at = [starts[g] + int(scores[starts[g] : ends[g]].argmax()) for g in groups]
    return Nearest(groups, best[groups], np.array(at, np.int64))


def groups_by_lists(
    lists: InvertedLists,
    queries: Floats,
    starts: Integers,
    count: int,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Nearest | None:
    """Return about what `nearest_groups` does, of what is in the lists nearest to (Q, D) queries.

    More lists are looked at as the filter leaves less of them, and until there are `count` groups.
    None where the filter leaves so little that to look at everything is better.
    """
    share = 1.0 if allowed is None else float(allowed.mean())
    if share < LEAST_SHARE:
        return None
    probes, all_lists = int(np.ceil(PROBES / share)), len(lists.centres)
    while True:
        near = [lists.nearest_lists(query, min(probes, all_lists)) for query in queries]
        rows, scores = lists.members(np.unique(np.concatenate(near)), queries)
        best = scores.max(axis=1)
        groups = np.searchsorted(starts, rows, side="right") - 1
        if allowed is not None:
            kept = allowed[groups]
            rows, best, groups = rows[kept], best[kept], groups[kept]
        order = np.lexsort((rows, -best))
        first = np.sort(np.unique(groups[order], return_index=True)[1])[:count]
        if len(first) == count or probes >= all_lists:
            at = order[first]
            return Nearest(groups[at], best[at], rows[at])
        probes *= 4


def _top(values: Floats, count: int) -> Integers:
    """Return where the largest of (N,) are, largest first, of equal ones the earlier first.

    By blocks: the `count` largest are in the `count` blocks of the largest maxima, or equal to what
    is. A partition of all takes 14 ms for a million, this .5 ms.
    """
    side = 1024
    if len(values) > 4 * side * max(1, count // 64):
        whole = len(values) // side * side
        blocks = values[:whole].reshape(-1, side).max(axis=1)
        least = np.partition(blocks, -min(count, len(blocks)))[-min(count, len(blocks))]
        chosen = np.flatnonzero(blocks >= least)
        inside = (chosen[:, None] * side + np.arange(side)).ravel()
        at = np.concatenate([inside, np.arange(whole, len(values))])
    else:
        at = np.arange(len(values))
    found: Integers = at[np.lexsort((at, -values[at]))[:count]]
    return found
