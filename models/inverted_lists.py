"""Approximate nearest neighbours: vectors in lists by their nearest centre, few lists looked at.

Arrays in, arrays out. Inverted lists (Sivic and Zisserman 2003; "IVF-Flat" of Jegou et al. 2011)
over spherical k-means (Dhillon and Modha 2001). Vectors of length 1; near is a large dot product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Integers = npt.NDArray[np.int64]

# Vectors of the sample a list's centre is learnt from, and rounds over it. Others were not tried.
SAMPLE, ROUNDS = 32, 8
# Rows whose products with all centres stand in memory at once: 33 MB at 2,048 lists.
_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class InvertedLists:
    """L lists of N vectors: list k holds `rows[starts[k]:starts[k + 1]]`.

    `centres` (L, D), `starts` (L + 1,), `rows` (N,), and `halves` (N, D) fp16: in the order of
    `rows` the vectors less the centre of their list, so that a list is read in one piece.
    `checked`, where given, is asked for every list before it is used, and raises where it is not
    what was written.
    """

    centres: Floats
    starts: Integers
    rows: npt.NDArray[np.int32]
    halves: npt.NDArray[np.float16]
    checked: Callable[[int], None] | None = None

    @classmethod
    def fit(cls, vectors: Floats, count: int, seed: int = 0) -> InvertedLists:
        """Sort (N, D) vectors into `count` lists.

        Raises:
            ValueError: there are fewer vectors than lists, or none are asked for.
        """
        if not 0 < count <= len(vectors):
            raise ValueError(f"{len(vectors)} vectors give no {count} lists")
        random = np.random.default_rng(seed)
        some = random.choice(len(vectors), min(len(vectors), SAMPLE * count), replace=False)
        centres = _centres(vectors[np.sort(some)], count, random)
        own = nearest_centres(vectors, centres)
        rows = np.argsort(own, kind="stable").astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=count))])
        halves = np.empty(vectors.shape, np.float16)
        for at in range(0, len(rows), _AT_ONCE):
            at_once = rows[at : at + _AT_ONCE]
            halves[at : at + _AT_ONCE] = vectors[at_once] - centres[own[at_once]]
        return cls(centres, starts.astype(np.int64), rows, halves)

    def nearest_lists(self, query: Floats, count: int) -> Integers:
        """Return the lists whose centres are nearest to a query (D,), nearest first."""
        near = self.centres @ query
        if count < len(near):
            some = np.argpartition(-near, count)[:count]
            found: Integers = some[np.argsort(-near[some])]
            return found
        return np.argsort(-near)

    def members(self, lists: Integers, queries: Floats) -> tuple[Integers, Floats]:
        """Return the rows in some lists (n,), and their dot products with (Q, D) queries: (n, Q).

        What is rounded to fp16 is a vector's difference from its list's centre: the nearer they
        lie, the finer. Rounded themselves, the codes of a real catalog (1e-5 apart) kept .45 of
        their ten nearest.
        """
        near = self.centres @ queries.T
        found, scores = [np.empty(0, np.int64)], [np.empty((0, len(queries)), np.float32)]
        for k in lists.tolist():
            if self.checked is not None:
                self.checked(k)
            cut = slice(self.starts[k], self.starts[k + 1])
            found.append(self.rows[cut].astype(np.int64))
            scores.append(self.halves[cut].astype(np.float32) @ queries.T + near[k])
        return np.concatenate(found), np.concatenate(scores)


def list_count(vectors: int) -> int:
    """How many lists so many vectors are best in: twice the root, as a power of two."""
    return 1 << round(math.log2(2 * max(1, vectors) ** 0.5))


def nearest_centres(vectors: Floats, centres: Floats) -> npt.NDArray[np.int32]:
    """Return the nearest centre of each of (N, D) vectors: (N,)."""
    own = np.empty(len(vectors), np.int32)
    for at in range(0, len(vectors), _AT_ONCE):
        own[at : at + _AT_ONCE] = (vectors[at : at + _AT_ONCE] @ centres.T).argmax(axis=1)
    return own


def _centres(some: Floats, count: int, random: np.random.Generator) -> Floats:
    """Spherical k-means: (S, D) -> (count, D) of length 1; an empty list takes a random vector."""
    centres = some[random.choice(len(some), count, replace=False)].astype(np.float32)
    for _ in range(ROUNDS):
        own = nearest_centres(some, centres)
        order = np.argsort(own, kind="stable")
        held = np.bincount(own, minlength=count)
        full = np.flatnonzero(held)
        sums = np.add.reduceat(some[order], (np.cumsum(held) - held)[full], axis=0)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres[full] = sums / np.maximum(length, 1e-12)
        empty = np.flatnonzero(held == 0)
        centres[empty] = some[random.choice(len(some), len(empty))]
    return centres
