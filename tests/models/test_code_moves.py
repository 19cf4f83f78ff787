"""Moves on a code: what they touch, how often each kind comes, and that limits hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.code_moves import (
    COPY,
    NUDGE,
    PAIR,
    RESET,
    Layout,
    Move,
    RandomMoves,
    Scan,
    changed,
    code_layout,
    merged,
)

SHAPES = (2, 3), (2, 3, 3), (3, 2, 2, 2)
SIZE = 6 + 18 + 24


def layout(limit: int = 4) -> Layout:
    """A small code: two latents of three numbers, a map of 3 x 3, three steps of 2 x 2."""
    return code_layout(*SHAPES, limit, np.arange(SIZE) % 3 - 1)


def test_neighbours_are_mutual_and_of_one_part() -> None:
    """A pair is of cells that touch, channels of a cell, or a cell one step on: never of parts."""
    found = layout()
    assert found.size == SIZE
    part = np.repeat([0, 1, 2], [6, 18, 24])
    for place, others in enumerate(found.neighbours):
        assert len(others) >= 2
        assert set(part[others]) == {part[place]}
        assert all(place in found.neighbours[other] for other in others)
    # The middle cell of the key map: four beside it, and the other channel.
    assert sorted(found.neighbours[6 + 4]) == [7, 9, 11, 13, 19]


def test_a_copy_brings_a_steps_map_to_the_next_step() -> None:
    """Of three steps with two channels there are four; each is of one channel as a whole."""
    copies = layout().copies
    assert len(copies) == 4
    for to, source in copies:
        assert (to - source == 8).all()
        assert len(to) == 4


@pytest.mark.parametrize("kind", [NUDGE, PAIR, RESET, COPY])
def test_each_kind_does_what_its_name_says(kind: str) -> None:
    """One by one, one up and a neighbour down, the cheapest value, the step before."""
    found = layout()
    rng = np.random.default_rng(0)
    draw = RandomMoves(found, {kind: 1.0})
    for _ in range(200):
        state = rng.integers(-3, 4, SIZE)
        move = draw(rng, 0, state)
        step = move.values - state[move.places]
        assert step.any()
        if kind == NUDGE:
            assert np.abs(step).tolist() == [1]
        elif kind == PAIR:
            assert step.tolist() == [1, -1]
            assert move.places[1] in found.neighbours[move.places[0]]
        elif kind == RESET:
            assert (move.values == found.likely[move.places]).all()
        else:
            assert (move.values == state[move.places - 8]).all()


def test_kinds_come_as_often_as_they_should() -> None:
    """.45 nudges and so on, within what 4,000 draws allow."""
    found, rng = layout(), np.random.default_rng(1)
    draw = RandomMoves(found)
    sizes = [len(draw(rng, 0, rng.integers(-3, 4, SIZE)).places) for _ in range(4000)]
    assert np.mean(np.array(sizes) == 2) == pytest.approx(0.35, abs=0.03)
    assert np.mean(np.array(sizes) == 4) == pytest.approx(0.05, abs=0.015)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_moves_stay_within_the_limit_and_change_something(seed: int, limit: int) -> None:
    """From any state, also where every symbol is at its limit."""
    found, rng = layout(limit), np.random.default_rng(seed)
    state = np.clip(rng.integers(-limit, limit + 1, SIZE) * 2, -limit, limit)
    for draw in (RandomMoves(found), Scan(found)):
        for _ in range(20):
            move = draw(rng, 0, state)
            after = changed(state, [move])
            assert np.abs(after).max() <= limit
            assert (after != state).any()
            assert len(set(move.places.tolist())) == len(move.places)


def test_a_scan_comes_to_every_symbol_once_up_and_once_down() -> None:
    """Each window for itself, in an order of its own."""
    found, rng = layout(), np.random.default_rng(2)
    scan, state = Scan(found), np.zeros(SIZE, np.int64)
    for window in (0, 1):
        seen = {(int(m.places[0]), int(m.values[0])) for m in _turn(scan, rng, window, state)}
        assert seen == {(place, sign) for place in range(SIZE) for sign in (-1, 1)}


def _turn(scan: Scan, rng: np.random.Generator, window: int, state: np.ndarray) -> list[Move]:
    return [scan(rng, window, state) for _ in range(2 * SIZE)]


def test_merged_moves_touch_different_symbols() -> None:
    """The first of two that collide is taken; what was made already is left alone."""
    moves = [Move(np.array(a), np.array(a)) for a in ([0, 1], [1, 2], [3], [4])]
    found = merged(moves, [Move(np.array([4]), np.array([0]))])
    assert found is not None
    assert found.places.tolist() == [0, 1, 3]
    assert merged(moves[:1], moves[:1]) is None
