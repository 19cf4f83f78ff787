"""Choices under a budget, on sets small enough to try every choice there is."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.coreset import SELECTIONS, cost_of, distances, k_centre, medoids, uniform_items


def items(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of random vectors, and costs of 1 to 4."""
    rng = np.random.default_rng(seed)
    return distances(rng.normal(size=(count, 6))), rng.integers(1, 5, count).astype(float)


def test_distances_are_those_of_angles() -> None:
    """0 to itself, 1 at a right angle, 2 to its opposite, whatever the lengths."""
    found = distances(np.array([[2.0, 0], [0, 3], [-1, 0]]))
    assert found == pytest.approx(np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))


@given(st.sampled_from(sorted(SELECTIONS)), st.integers(0, 10_000), st.floats(0, 30))
def test_no_choice_is_above_its_budget_and_none_takes_an_item_twice(
    method: str, seed: int, budget: float
) -> None:
    """Also where nothing fits, and where all does; the same seed chooses the same."""
    apart, costs = items(12, seed)
    kept = SELECTIONS[method](apart, costs, budget, seed)
    assert costs[kept].sum() <= budget
    assert len(set(kept.tolist())) == len(kept)
    assert kept.tolist() == SELECTIONS[method](apart, costs, budget, seed).tolist()
    if budget >= costs.sum():
        assert len(kept) == 12


@pytest.mark.parametrize("seed", range(6))
def test_k_centre_is_at_most_twice_as_far_as_the_best_choice(seed: int) -> None:
    """Gonzalez's bound, for distances that obey the triangle: angles, of equal costs."""
    vectors = np.random.default_rng(seed).normal(size=(10, 3))
    angles = np.arccos(np.clip(1 - distances(vectors), -1, 1))
    ones = np.ones(10)
    for count in (2, 3, 4):
        kept = k_centre(angles, ones, count)
        best = min(
            angles[:, list(some)].min(axis=1).max() for some in combinations(range(10), count)
        )
        assert angles[:, kept].min(axis=1).max() <= 2 * best + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_medoids_come_within_a_few_percent_of_the_best_choice(seed: int) -> None:
    """Of all choices that fit, costs unequal; no single swap betters what is returned."""
    apart, costs = items(11, seed)
    budget = costs.sum() / 3
    kept = medoids(apart, costs, budget, seed)
    every = (
        np.array(some)
        for count in range(1, 12)
        for some in combinations(range(11), count)
        if costs[list(some)].sum() <= budget
    )
    best = min(cost_of(apart, some) for some in every)
    assert best <= cost_of(apart, kept) <= 1.1 * best
    for out in kept:
        rest = [k for k in kept.tolist() if k != out]
        for item in set(range(11)) - set(kept.tolist()):
            swapped = np.array([*rest, item])
            if costs[swapped].sum() <= budget:
                assert cost_of(apart, swapped) >= cost_of(apart, kept) - 1e-9


def test_uniform_items_are_evenly_spaced() -> None:
    """Three of nine are the middles of thirds."""
    apart, _ = items(9, 0)
    assert uniform_items(apart, np.ones(9), 3.5).tolist() == [1, 4, 7]


def test_groups_are_found_by_both_choices_and_missed_by_time() -> None:
    """Of 20 like clips and two rare ones, three kept: the rare ones are among them."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([[[1, 0, 0]] * 20, [[0, 1, 0]], [[0, 0, 1]]]).astype(float)
    apart, ones = distances(vectors + rng.normal(size=vectors.shape) * 0.01), np.ones(22)
    for method in (k_centre, medoids):
        assert {20, 21} <= set(method(apart, ones, 3).tolist())
    assert not {20, 21} & set(uniform_items(apart, ones, 3).tolist())
