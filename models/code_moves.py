"""Moves on a quantised code: which symbols change together, and how a random change is drawn.

Arrays in, arrays out. The code of a window is one row of n whole numbers: latents, then the key
map, then the maps of its steps, each in the order of its tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints = npt.NDArray[np.int64]
# Kinds of moves and how often each is drawn (MODELS section 5): one symbol by one; one up and a
# neighbour down; one to what the coder writes most cheaply; a step's map as the step before.
NUDGE, PAIR, RESET, COPY = "nudge", "pair", "reset", "copy"
ALL_MOVES = {NUDGE: 0.45, PAIR: 0.35, RESET: 0.15, COPY: 0.05}
# A move that changes nothing (at a limit, already the cheapest) is drawn again so many times.
REDRAWS = 20


class Move(NamedTuple):
    """New values of some symbols of one window; the places are unlike."""

    places: Ints
    values: Ints


@dataclass(frozen=True, eq=False)
class Layout:
    """What a window's n symbols are.

    `likely` (n,) are those that cost least; `neighbours` of each symbol are those that a pair may
    be made with; `copies` are pairs of places (to, from) that a copy moves as one.
    """

    limit: int
    likely: Ints
    neighbours: Sequence[Ints]
    copies: Sequence[tuple[Ints, Ints]] = ()

    @property
    def size(self) -> int:
        """How many symbols a window has."""
        return len(self.likely)


def code_layout(
    semantic: tuple[int, int],
    key: tuple[int, int, int],
    steps: tuple[int, int, int, int],
    limit: int,
    likely: Ints,
) -> Layout:
    """Return the layout of a distiller's code, given the shapes of its parts for one window.

    Neighbours are: in a map the cells beside it in the same channel, and the other channels of the
    cell; in a step's map also that cell one step on; among latents the same number of the next
    latent, and the next number of the same.
    """
    parts = (semantic, key, steps)
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in parts)])
    pairs: list[tuple[int, int]] = []
    for shape, first in zip(parts, ends, strict=False):
        places = first + np.arange(int(np.prod(shape))).reshape(shape)
        for axis in range(places.ndim):
            length = places.shape[axis]
            here = np.take(places, range(length - 1), axis).ravel()
            beyond = np.take(places, range(1, length), axis).ravel()
            pairs += [*zip(here.tolist(), beyond.tolist(), strict=True)]
    found: list[list[int]] = [[] for _ in range(int(ends[-1]))]
    for a, b in pairs:
        found[a].append(b)
        found[b].append(a)
    maps = ends[2] + np.arange(int(np.prod(steps))).reshape(steps)
    copies = [
        (maps[step, channel].ravel(), maps[step - 1, channel].ravel())
        for step in range(1, steps[0])
        for channel in range(steps[1])
    ]
    return Layout(limit, likely, [np.array(one, np.int64) for one in found], copies)


class Draw(Protocol):
    """Proposes a change to one window's code."""

    def __call__(self, rng: np.random.Generator, window: int, state: Ints) -> Move:
        """Return a move that changes `state` (n,) of this window, within the limits."""


class RandomMoves:
    """Draws kinds of moves by their weights; kinds that the layout has not are never drawn."""

    def __init__(self, layout: Layout, weights: dict[str, float] | None = None) -> None:
        self._layout = layout
        weights = dict(weights or ALL_MOVES)
        if not layout.copies:
            weights.pop(COPY, None)
        if not any(len(one) for one in layout.neighbours):
            weights.pop(PAIR, None)
        self._kinds = list(weights)
        self._ends = np.cumsum(list(weights.values())) / sum(weights.values())

    def __call__(
        self,
        rng: np.random.Generator,
        window: int,  # noqa: ARG002  every window alike
        state: Ints,
    ) -> Move:
        """Return a move; a nudge where nothing else would change anything."""
        kind = self._kinds[int(np.searchsorted(self._ends, rng.random(), side="right"))]
        for _ in range(REDRAWS):
            move = self._drawn(kind, rng, state)
            if (state[move.places] != move.values).any():
                return move
        return nudge(self._layout, rng, state)

    def _drawn(self, kind: str, rng: np.random.Generator, state: Ints) -> Move:
        layout = self._layout
        if kind == NUDGE:
            return nudge(layout, rng, state)
        if kind == COPY:
            to, source = layout.copies[int(rng.integers(len(layout.copies)))]
            return Move(to, state[source])
        place = int(rng.integers(layout.size))
        if kind == RESET:
            return Move(np.array([place]), layout.likely[[place]])
        others = layout.neighbours[place]
        if not len(others):
            return Move(np.array([place]), state[[place]])
        places = np.array([place, others[int(rng.integers(len(others)))]])
        values = state[places] + np.array([1, -1])
        # At a limit nothing is drawn: clipping one of the two would be no pair.
        return Move(places, values if np.abs(values).max() <= layout.limit else state[places])


def nudge(layout: Layout, rng: np.random.Generator, state: Ints) -> Move:
    """Return one symbol moved by one, inwards at a limit."""
    place = int(rng.integers(layout.size))
    return _by_one(layout, state, place, int(rng.integers(2)) * 2 - 1)


def _by_one(layout: Layout, state: Ints, place: int, sign: int) -> Move:
    value = int(state[place]) + sign
    value = value - 2 * sign if abs(value) > layout.limit else value
    return Move(np.array([place]), np.array([value]))


class Scan:
    """Every symbol up and down in turn, each window in a random order of its own."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._waiting: dict[int, list[int]] = {}

    def __call__(self, rng: np.random.Generator, window: int, state: Ints) -> Move:
        """Return the next nudge of this window."""
        waiting = self._waiting.setdefault(window, [])
        if not waiting:
            waiting += rng.permutation(2 * self._layout.size).tolist()
        place, up = divmod(waiting.pop(), 2)
        return _by_one(self._layout, state, place, 2 * up - 1)


def changed(state: Ints, moves: Sequence[Move]) -> Ints:
    """Return (n,) with all the moves made."""
    found = state.copy()
    for move in moves:
        found[move.places] = move.values
    return found


def merged(moves: Sequence[Move], taken: Sequence[Move]) -> Move | None:
    """Return those moves as one that touch no symbol of `taken` nor of each other; else None."""
    used = {int(place) for move in taken for place in move.places}
    kept: list[Move] = []
    for move in moves:
        mine = set(move.places.tolist())
        if not mine & used:
            used |= mine
            kept.append(move)
    if not kept:
        return None
    return Move(*(np.concatenate(part) for part in zip(*kept, strict=True)))
