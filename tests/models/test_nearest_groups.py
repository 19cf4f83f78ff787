"""Exact nearest neighbours against the plain way of finding them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.nearest_groups import nearest_groups, similarities, unit


def plain(scores: np.ndarray, starts: np.ndarray, count: int) -> list[tuple[int, float]]:
    ends = [*starts[1:], len(scores)]
    best = [
        (g, float(scores[a:b].max())) for g, (a, b) in enumerate(zip(starts, ends, strict=True))
    ]
    return sorted(best, key=lambda one: (-one[1], one[0]))[:count]


@given(st.integers(1, 400), st.integers(1, 30), st.integers(0, 2**31))
def test_finds_what_sorting_everything_finds(groups: int, count: int, seed: int) -> None:
    """The best groups, in order, of equal ones the earlier first, each by its best vector."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, groups)
    starts = np.cumsum(sizes) - sizes
    scores = rng.integers(0, 20, sizes.sum()).astype(np.float32)  # many are equal
    found = nearest_groups(scores, starts, count)
    assert list(zip(found.groups, found.scores, strict=True)) == plain(scores, starts, count)
    assert (scores[found.vectors] == found.scores).all()


def test_a_hundred_thousand_are_found_block_by_block_alike() -> None:
    """What is cut into blocks gives the same answer as sorting, ties at the edge included."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 3000, 100_003).astype(np.float32)
    starts = np.arange(len(scores))
    for count in (1, 10, 100):
        found = nearest_groups(scores, starts, count)
        assert list(zip(found.groups, found.scores, strict=True)) == plain(scores, starts, count)


def test_only_what_is_allowed_is_found() -> None:
    """A filter leaves groups out, and fewer come back where there are no more."""
    scores = np.array([0.9, 0.1, 0.5, 0.7], np.float32)
    allowed = np.array([False, True, True])
    found = nearest_groups(scores, np.array([0, 1, 2]), 10, allowed)
    assert found.groups.tolist() == [2, 1]
    assert found.vectors.tolist() == [3, 1]


def test_nothing_to_search_finds_nothing() -> None:
    """An empty catalog has no neighbours."""
    found = nearest_groups(np.empty(0, np.float32), np.empty(0, np.int64), 3)
    assert len(found.groups) == 0


def test_the_nearest_of_several_queries_counts() -> None:
    """A vector is as near as its nearest query, and a vector of zeros is near to none."""
    vectors = unit(np.array([[2, 0], [0, 3], [0, 0]], np.float32))
    queries = np.array([[1, 0], [0.6, 0.8]], np.float32)
    assert similarities(vectors, queries) == pytest.approx([1, 0.8, 0])
