"""Searches on small problems whose best code is known by trying every code there is."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.annealing import anneal
from models.code_moves import Layout
from models.controls import cold, greedy, iterated_greedy, rounding

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.annealing import Found

    Method = Callable[["Quadratic", int, int], Found]

METHODS = (rounding, greedy, iterated_greedy, cold, anneal)
SEARCHES = METHODS[1:]
LIMIT, SIZE = 2, 4


class Quadratic:
    """(x - target)' A (x - target) for each of some windows; counts what it is asked."""

    def __init__(self, windows: int, seed: int, interaction: float = 0.9, start: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.targets = rng.uniform(-LIMIT, LIMIT, (windows, SIZE))
        others = np.full((SIZE, SIZE), interaction)
        self.matrix = others + (1 - interaction) * np.eye(SIZE)
        beside = [np.array([k for k in range(SIZE) if k != at]) for at in range(SIZE)]
        self.layout = Layout(LIMIT, np.zeros(SIZE, np.int64), beside)
        self.start = np.full((windows, SIZE), start, np.int64)
        self.windows = list(range(windows))
        self.asked = 0
        self.kept: list[tuple[int, np.ndarray]] = []
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def energies(self, windows: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return the energies, and remember what was asked."""
        self.asked += len(states)
        assert np.abs(states).max() <= LIMIT
        self._last = windows, states
        return self.energy(windows, states)

    def energy(self, windows: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Return the energies."""
        x = states - self.targets[windows]
        return np.einsum("pi,ij,pj->p", x, self.matrix, x)

    def keep(self, number: int) -> None:
        """Remember what was kept."""
        assert self._last is not None
        self.kept.append((int(self._last[0][number]), self._last[1][number].copy()))

    def best(self) -> np.ndarray:
        """Return the least energy of each window: 625 codes are tried."""
        every = np.array(list(product(range(-LIMIT, LIMIT + 1), repeat=SIZE)))
        return np.array([self.energy(np.full(len(every), w), every).min() for w in self.windows])


@pytest.mark.parametrize("seed", range(4))
def test_annealing_finds_the_best_of_all_codes(seed: int) -> None:
    """Of four symbols that interact strongly, in three windows at once."""
    problem = Quadratic(3, seed)
    found = anneal(problem, 1500, seed)
    assert found.energies == pytest.approx(problem.best())


def test_one_symbol_at_a_time_is_caught_where_pairs_are_not() -> None:
    """Greedy descent ends in codes that no single step betters; the moves of annealing do not."""
    worse, paired = 0.0, 0.0
    for seed in range(8):
        problem = Quadratic(3, seed, interaction=0.95)
        worse += float((greedy(problem, 1500, 0).energies - problem.best()).sum())
        paired += float((cold(problem, 1500, 0).energies - problem.best()).sum())
    assert worse > 0.5
    assert paired < worse / 4


def test_iterated_greedy_goes_on_where_greedy_stands_still() -> None:
    """On the same problems and evaluations it comes lower."""
    energies = np.zeros(2)
    for seed in range(8):
        for k, method in enumerate((greedy, iterated_greedy)):
            energies[k] += method(Quadratic(3, seed, 0.95), 1500, 0).energies.sum()
    assert energies[1] < energies[0]


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("budget", [1, 2, 3, 40, 101, 500])
def test_every_method_spends_exactly_its_evaluations(method: Method, budget: int) -> None:
    """What the search says it spent is what the problem was asked, and what was allowed."""
    problem = Quadratic(3, 0)
    found = method(problem, budget, 0)
    assert found.evaluations == problem.asked == budget
    assert found.curve[-1][0] == budget


def test_rounding_asks_for_the_start_alone() -> None:
    """The control that does nothing."""
    problem = Quadratic(3, 0, start=1)
    found = rounding(problem, 500, 0)
    assert problem.asked == 3
    assert (found.states == problem.start).all()


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    budget=st.integers(0, 200),
    seed=st.integers(0, 10_000),
    start=st.integers(-LIMIT, LIMIT),
)
def test_no_method_is_worse_than_its_start(
    method: Method, budget: int, seed: int, start: int
) -> None:
    """Window by window, and the energy said is that of the code returned."""
    problem = Quadratic(2, seed, start=start)
    found = method(problem, budget, seed)
    before = problem.energy(np.arange(2), problem.start)
    after = problem.energy(np.arange(2), found.states)
    assert (after <= before + 1e-12).all()
    judged = ~np.isnan(found.energies)
    assert found.energies[judged] == pytest.approx(after[judged])
    best = [y for _, y in found.curve]
    assert best == sorted(best, reverse=True)


@pytest.mark.parametrize("method", SEARCHES)
def test_the_same_seed_finds_the_same_and_another_goes_another_way(method: Method) -> None:
    """Every random choice comes from the seed."""
    one, same, other = (method(Quadratic(3, 1, 0.3), 60, seed) for seed in (5, 5, 6))
    assert (one.states == same.states).all()
    assert one.curve == same.curve
    assert one.curve != other.curve


def test_what_is_kept_is_where_the_search_stands() -> None:
    """The problem hears of every code that its window goes on from, so it may decode parts."""
    problem = Quadratic(1, 3)
    found = cold(problem, 300, 0)
    assert (problem.kept[-1][1] == found.states[0]).all()
