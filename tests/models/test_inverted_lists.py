"""The approximate index against a scan of everything."""

from __future__ import annotations

import numpy as np
import pytest

from models.inverted_lists import InvertedLists, list_count
from models.nearest_groups import groups_by_lists, nearest_groups, similarities, unit


def clustered(count: int, seed: int = 0, spread: float = 0.3, dims: int = 32) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((40, dims))
    own = random.integers(len(centres), size=count)
    return unit(centres[own] + spread * random.standard_normal((count, dims)))


def recall(vectors: np.ndarray, allowed: np.ndarray | None, seed: int = 1) -> float:
    """Return the share of the ten nearest groups of three that the lists find."""
    lists = InvertedLists.fit(vectors, list_count(len(vectors)))
    starts = np.arange(0, len(vectors), 3)
    random = np.random.default_rng(seed)
    hits = 0
    for k in random.choice(len(vectors), 30, replace=False):
        query = unit(vectors[k] + 0.02 * random.standard_normal((1, vectors.shape[1])))
        true = nearest_groups(similarities(vectors, query), starts, 10, allowed)
        found = groups_by_lists(lists, query, starts, 10, allowed)
        assert found is not None
        assert (np.diff(found.scores) <= 0).all()
        assert len(set(found.groups.tolist())) == len(found.groups) == 10
        assert (found.vectors // 3 == found.groups).all()
        np.testing.assert_allclose(found.scores, vectors[found.vectors] @ query[0], atol=5e-4)
        if allowed is not None:
            assert allowed[found.groups].all()
        hits += len(set(true.groups.tolist()) & set(found.groups.tolist()))
    return hits / 300


def test_every_vector_is_in_one_list_the_one_of_its_nearest_centre() -> None:
    """The lists are a partition, and what is stored gives the vectors back."""
    vectors = clustered(3000)
    lists = InvertedLists.fit(vectors, 64)
    assert sorted(lists.rows.tolist()) == list(range(3000))
    for k in range(64):
        cut = slice(lists.starts[k], lists.starts[k + 1])
        own = vectors[lists.rows[cut]]
        assert ((own @ lists.centres.T).argmax(axis=1) == k).all()
        np.testing.assert_allclose(lists.halves[cut] + lists.centres[k], own, atol=1e-3)


def test_few_lists_hold_nearly_all_that_is_near() -> None:
    """Of ten nearest groups at least nine and a half are found."""
    assert recall(clustered(6000), None) >= 0.95


def test_a_filter_loses_nothing_that_it_leaves() -> None:
    """A filter at random or of one side of space: what it leaves is found as well."""
    vectors = clustered(6000)
    groups = len(vectors) // 3
    assert recall(vectors, np.random.default_rng(3).random(groups) < 0.3) >= 0.95
    side = vectors[::3, 0]
    assert recall(vectors, side > np.quantile(side, 0.8)) >= 0.95


def test_where_a_filter_leaves_next_to_nothing_the_lists_decline() -> None:
    """Then to look at everything is better, and None says so."""
    vectors = clustered(300)
    lists = InvertedLists.fit(vectors, 8)
    allowed = np.zeros(100, bool)
    allowed[:5] = True
    starts = np.arange(0, 300, 3)
    assert groups_by_lists(lists, vectors[:1], starts, 10, allowed) is None


def test_more_lists_are_looked_at_until_there_are_enough_groups() -> None:
    """All groups can be asked for, and then all come, as exactly as from a scan."""
    vectors = clustered(900)
    lists = InvertedLists.fit(vectors, 30)
    starts = np.arange(0, 900, 3)
    found = groups_by_lists(lists, vectors[:2], starts, 300)
    true = nearest_groups(similarities(vectors, vectors[:2]), starts, 300)
    assert found is not None
    assert set(found.groups.tolist()) == set(true.groups.tolist()) == set(range(300))
    np.testing.assert_allclose(found.scores, true.scores, atol=5e-4)


def test_codes_that_crowd_are_told_apart() -> None:
    """Vectors 1e-5 apart, as a model's codes may be, keep their neighbours in fp16."""
    vectors = clustered(6000, spread=0.004)
    assert recall(vectors, None) >= 0.95


def test_equal_vectors_and_impossible_counts() -> None:
    """Equal vectors leave lists empty and are found all the same; no lists of nothing."""
    vectors = unit(np.ones((50, 4)))
    lists = InvertedLists.fit(vectors, 10)
    found = groups_by_lists(lists, vectors[:1], np.arange(50), 5)
    assert found is not None
    assert found.groups.tolist() == [0, 1, 2, 3, 4]
    for count in (0, 51):
        with pytest.raises(ValueError, match="give no"):
            InvertedLists.fit(vectors, count)
