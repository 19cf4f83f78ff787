"""The sieve lets through every pair with one near picture, whatever blocks they come in."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest.lookalikes import NEAR_BITS, candidates, share_pictures, telling


def footage(seed: int, steps: int = 6) -> np.ndarray:
    """Return the hashes of some footage of its own."""
    return np.random.default_rng(seed).integers(0, 2**64, steps, dtype=np.uint64)


def disturbed(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Return the hashes with so many bits of each flipped, as a re-encode does."""
    mask = np.uint64(sum(1 << (k * 7 % 64) for k in range(bits)))
    return hashes ^ mask


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 40))
def test_the_sieve_agrees_with_counting_every_pair(seed: int, many: int, steps: int) -> None:
    """Candidates are exactly the pairs of which some two hashes are near, from either side."""
    random = np.random.default_rng(seed)
    # Of 12 bits that differ at all, so that distances fall on both sides of the threshold.
    bits = random.integers(0, 2, (many, steps, 24))
    values = (bits.astype(np.uint64) << np.arange(20, 44, dtype=np.uint64)).sum(axis=2)
    hashes = {f"r{k}": row.astype(np.uint64) for k, row in enumerate(values)}
    expected = {
        (a, b)
        for a in hashes
        for b in hashes
        if a != b
        and any(
            int(x ^ y).bit_count() <= NEAR_BITS
            for x in hashes[a][telling(hashes[a])]
            for y in hashes[b][telling(hashes[b])]
        )
    }
    assert set(candidates(hashes, hashes)) == expected
    one_by_one = {pair for name in hashes for pair in candidates(hashes, {name: hashes[name]})}
    assert one_by_one == expected


def test_a_block_longer_than_a_core_s_cache_is_searched_to_its_end() -> None:
    """One near picture among 50,000 is found, first, last or in the middle."""
    many = {str(k): footage(k, 250) for k in range(200)}
    for wanted in ("0", "99", "199"):
        query = {"new": disturbed(many[wanted][200:201], NEAR_BITS)}
        assert ("new", wanted) in set(candidates(query, many))


def test_a_re_encode_shares_pictures_and_a_stranger_does_not() -> None:
    """Few bits apart is the same picture; random hashes are not."""
    one = footage(1)
    assert share_pictures(one, disturbed(one, 7))
    assert share_pictures(one[2:4], one)
    assert not share_pictures(one, footage(2))
    assert not share_pictures(one, np.concatenate([one[:2], footage(2, 4)]))


def test_flat_frames_are_no_evidence() -> None:
    """Black frames look alike in all the world's footage."""
    black = np.zeros(5, np.uint64)
    assert not share_pictures(black, black)
    assert list(candidates({"a": black}, {"b": black, "c": footage(3)})) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 8))
def test_sharing_is_mutual(seed: int, one: int, other: int) -> None:
    """Whichever of two recordings is asked about, the answer is the same."""
    random = np.random.default_rng(seed)
    pool = footage(seed, 6)
    a, b = (pool[random.integers(0, 6, size)] for size in (one, other))
    b = np.where(random.random(other) < 0.5, b, footage(seed + 1, other))
    assert share_pictures(a, b) == share_pictures(b, a)
