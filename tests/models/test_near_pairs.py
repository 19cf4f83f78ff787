"""Groups of nearly equal vectors against groups that were put there."""

from __future__ import annotations

import numpy as np
import pytest

from models.inverted_lists import InvertedLists
from models.near_pairs import near_groups
from models.nearest_groups import unit


def always(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    del b
    return np.ones(len(a), bool)


@pytest.mark.parametrize("count", [0, 20])
def test_finds_exactly_the_copies_that_were_planted(count: int) -> None:
    """Copies moved a little are one group each, strangers none; the largest group comes first."""
    random = np.random.default_rng(0)
    strangers = random.standard_normal((400, 64))
    planted = [[k, *range(400 + 10 * k, 400 + 10 * k + k + 1)] for k in range(8)]
    rows = np.concatenate([strangers, random.standard_normal((80, 64))])
    for first, *copies in planted:
        for copy in copies:
            rows[copy] = rows[first] + 0.01 * random.standard_normal(64)
    vectors = unit(rows)
    lists = InvertedLists.fit(vectors, count) if count else None
    found = near_groups(vectors, 0.001, always, lists)
    assert [sorted(one.tolist()) for one in found] == [*reversed(planted)]


def test_the_first_of_a_group_is_its_medoid() -> None:
    """Of points along an arc the middle one comes first, then those nearest to it."""
    angle = np.array([0.0, 0.1, 0.2, 0.3, 0.4])[[3, 0, 2, 4, 1]]
    vectors = unit(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    (found,) = near_groups(vectors, 1 - np.cos(0.11), always)
    assert angle[found].round(1).tolist()[0] == 0.2
    assert np.abs(angle[found] - 0.2).round(1).tolist() == [0, 0.1, 0.1, 0.2, 0.2]


def test_pairs_that_may_not_be_tied_tie_nothing() -> None:
    """What the caller holds for neighbours is no duplicate, however equal."""
    vectors = unit(np.ones((6, 3)))
    assert near_groups(vectors, 0.1, lambda a, b: (a >= 3) & (b >= 3))[0].tolist() == [3, 4, 5]
    assert near_groups(vectors, 0.1, lambda a, b: np.zeros(len(a), bool) & (a == b)) == []
    assert near_groups(vectors[:0], 0.1, always) == []
