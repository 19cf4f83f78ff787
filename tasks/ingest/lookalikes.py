"""Finds recordings of which single pictures look alike, among very many: a first, coarse sieve.

Pure: reads 64-bit difference hashes, writes nothing. Plain counting of the bits that differ, in
blocks that stay in a core's cache: .7 ns a pair of hashes, so a new minute of video takes 4 s of
CPU against 100,000 known ones. It needs no index, whatever the distance asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]
    Bits = npt.NDArray[np.uint8]

K = TypeVar("K", bound="Hashable")

# Two recordings are looked at closely if any two of their hashes are so near.
NEAR_BITS = 10
# ... and share pictures if so much of the shorter one is so near to something of the other.
SHARED = 0.5
# Flat pictures look alike in all the world's footage: hashes of almost equal bits tell nothing.
FLAT_BITS = 4
# Known hashes compared at a time: their differences stay in a core's cache.
CHUNK = 16_384


def telling(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Tell which hashes are of pictures with something in them."""
    bits = np.bitwise_count(hashes)
    return (bits > FLAT_BITS) & (bits < 64 - FLAT_BITS)


def candidates(new: Mapping[K, Hashes], known: Mapping[K, Hashes]) -> Iterator[tuple[K, K]]:
    """Yield pairs (new, known) of which any two telling hashes are within `NEAR_BITS`.

    `known` is one block of what may be many; .7 ns a pair of different hashes. A recording is no
    candidate of itself.
    """
    parts = {name: np.unique(hashes[telling(hashes)]) for name, hashes in known.items()}
    parts = {name: hashes for name, hashes in parts.items() if hashes.size}
    if not parts:
        return
    names = list(parts)
    starts = np.cumsum([0, *(part.size for part in parts.values())])[:-1]
    every = np.concatenate(list(parts.values()))
    for one, hashes in new.items():
        best = _least_distance(np.unique(hashes[telling(hashes)]), every)
        near = np.minimum.reduceat(best, starts) <= NEAR_BITS
        yield from ((one, names[k]) for k in np.flatnonzero(near) if names[k] != one)


def share_pictures(one: Hashes, other: Hashes) -> bool:
    """Tell whether half of the shorter one's telling pictures are, nearly, among the other's.

    Looser than `compare`: another time of the same fixed camera shares pictures, and so does a
    composite over the same take. What is trained on must not share even that with what judges.
    Symmetric; without telling pictures nothing is shared.
    """
    one, other = one[telling(one)], other[telling(other)]
    if not one.size or not other.size:
        return False
    return any(
        float((_least_distance(np.unique(long), short) <= NEAR_BITS).mean()) >= SHARED
        for short, long in ((one, other), (other, one))
        if short.size <= long.size
    )


def _least_distance(wanted: Hashes, every: Hashes) -> Bits:
    """Return, for every hash, its distance in bits from the nearest of those wanted."""
    best = np.full(every.size, 64, np.uint8)
    bits, differ = np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.uint64)
    for begin in range(0, every.size, CHUNK):
        part, least = every[begin : begin + CHUNK], best[begin : begin + CHUNK]
        for value in wanted:
            np.bitwise_xor(part, value, out=differ[: part.size])
            np.bitwise_count(differ[: part.size], out=bits[: part.size])
            np.minimum(least, bits[: part.size], out=least)
    return best
