"""Search in whole numbers: simulated annealing and its controls, at equal evaluations.

Arrays in, arrays out. A problem is one clip: its windows are searched side by side, each a chain
of its own, so that a call of the decoder has many proposals. What a batch accepted is made
together, where it touches different symbols, and judged as one evaluation of the next batch.
Annealing as of Kirkpatrick et al. 1983, iterated greedy as of Ruiz and Stuetzle 2007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.code_moves import Ints, Move, RandomMoves, changed, merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.code_moves import Draw, Layout

Floats = npt.NDArray[np.float64]

# Proposals that go to the decoder together at least, and of one window at least.
TOGETHER, EACH = 16, 8
# The first temperature is that at which the mean worsening move is accepted so often, and the last
# is a thousandth of it (MODELS section 5).
ACCEPTED_AT_FIRST, LAST_SHARE = 0.05, 1e-3
TRIALS = 100  # random moves that the first temperature is measured by
SWEEP_SHARE = 0.1  # of the evaluations: from the best so far, only downhill


class Problem(Protocol):
    """Windows whose codes are to be improved; `CodeEnergy` is one."""

    layout: Layout
    start: Ints  # (W, n)

    @property
    def windows(self) -> Sequence[int]:
        """Those of the W that can be judged."""

    def energies(self, windows: Ints, states: Ints) -> Floats:
        """Return the energy of P codes (P, n), each of the window named."""

    def keep(self, number: int) -> None:
        """Hear that a code of the last call is its window's own from now on."""


class Found(NamedTuple):
    """The best codes (W, n) that a search saw, and how it went.

    `curve` has pairs of evaluations and the mean energy of the best so far over the windows.
    """

    states: Ints
    energies: Floats
    evaluations: int
    curve: list[tuple[int, float]]


@dataclass
class Chain:
    """One window's code as it is now, the best it was, and accepted moves not yet made."""

    state: Ints
    energy: float
    best: Ints
    best_energy: float
    waiting: Move | None = None
    idle: int = 0  # evaluations since the best became better
    proposals: list[Move] = field(default_factory=list)


class Search:
    """The chains of one problem under one budget; every method is a few calls of it."""

    def __init__(self, problem: Problem, evaluations: int, seed: int) -> None:
        """Judge the start: that is one evaluation a window, and none if there is no budget."""
        self.problem, self.budget, self.spent = problem, evaluations, 0
        self.rng = np.random.default_rng(seed)
        self.curve: list[tuple[int, float]] = []
        self.chains: dict[int, Chain] = {}
        names = list(problem.windows)[:evaluations]
        if names:
            states = problem.start[names]
            energies = self._judge(np.array(names), states)
            for k, (name, energy) in enumerate(zip(names, energies.tolist(), strict=True)):
                problem.keep(k)
                self.chains[name] = Chain(states[k].copy(), energy, states[k].copy(), energy)
            self._note()

    def found(self) -> Found:
        """Return the best codes; windows that were not judged are as they were."""
        states = self.problem.start.copy()
        energies = np.full(len(states), np.nan)
        for name, chain in self.chains.items():
            states[name], energies[name] = chain.best, chain.best_energy
        return Found(states, energies, self.spent, self.curve)

    def rises(self, draw: Draw, trials: int) -> list[float]:
        """Try random moves from the start and return by how much each worsened its window.

        What became better by it is kept: these evaluations are of the budget too.
        """
        before, rises = self.spent, list[float]()
        while self.chains and self.spent - before < trials and self.spent < self.budget:
            left = min(trials - (self.spent - before), self.budget - self.spent)
            rises += self.round(draw, 0.0, left)
        return rises

    def run(self, draw: Draw, until: int, heat: float = 0.0, *, last_share: float = 1.0) -> None:
        """Go on until so many evaluations are spent; the heat falls from `heat` geometrically."""
        began = self.spent
        until = min(until, self.budget)
        while self.chains and self.spent < until:
            share = (self.spent - began) / (until - began)
            self.round(draw, heat * last_share**share, until - self.spent)

    def restart(self) -> None:
        """Put every chain back to its best."""
        for chain in self.chains.values():
            chain.state, chain.energy = chain.best.copy(), chain.best_energy
            chain.waiting = None

    def round(self, draw: Draw, heat: float, left: int) -> list[float]:
        """Judge a batch of at most `left` proposals and accept; return the rises there were."""
        each = max(EACH, -(-TOGETHER // len(self.chains)))
        windows: list[int] = []
        states: list[Ints] = []
        for name, chain in self.chains.items():
            chain.proposals = [] if chain.waiting is None else [chain.waiting]
            while len(chain.proposals) < each:
                chain.proposals.append(draw(self.rng, name, chain.state))
            # The last batch of a budget is smaller, and fair to all windows.
            chain.proposals = chain.proposals[: -(-left // len(self.chains))]
            windows += [name] * len(chain.proposals)
            states += [changed(chain.state, [move]) for move in chain.proposals]
        windows, states = windows[:left], states[:left]
        energies = self._judge(np.array(windows), np.stack(states))
        rises: list[float] = []
        for name in dict.fromkeys(windows):
            numbers = [k for k, one in enumerate(windows) if one == name]
            rises += self._accept(self.chains[name], numbers, energies, heat)
        self._note()
        return rises

    def judged(self, name: int, state: Ints) -> float:
        """Return the energy of one code of a window and take it as the window's own."""
        energy = float(self._judge(np.array([name]), state[None])[0])
        self.problem.keep(0)
        return energy

    def offer(self, windows: Sequence[int], states: Ints) -> None:
        """Judge a code of each of some windows; what is better becomes its best."""
        room = self.budget - self.spent
        windows, states = windows[:room], states[:room]
        if not windows:
            return
        for k, energy in enumerate(self._judge(np.array(windows), states).tolist()):
            chain = self.chains[windows[k]]
            if energy < chain.best_energy:
                chain.best, chain.best_energy = states[k].copy(), energy
        self._note()

    def spend(self, evaluations: int) -> None:
        """Count what was evaluated elsewhere."""
        self.spent += evaluations

    def _accept(
        self, chain: Chain, numbers: Sequence[int], energies: Floats, heat: float
    ) -> list[float]:
        """Make the best of the accepted proposals; the others wait for the next batch."""
        before = chain.energy
        rises = [float(energies[k]) - before for k in numbers]
        taken = [
            i
            for i, rise in sorted(enumerate(rises), key=lambda one: one[1])
            if rise < 0 or (heat > 0 and self.rng.random() < math.exp(-rise / heat))
        ]
        chain.waiting = None
        chain.idle += len(numbers)
        if taken:
            first, *others = ((chain.proposals[i], i) for i in taken)
            chain.state = changed(chain.state, [first[0]])
            chain.energy = before + rises[first[1]]
            self.problem.keep(numbers[first[1]])
            chain.waiting = merged([move for move, _ in others], [first[0]])
            if chain.energy < chain.best_energy:
                chain.best, chain.best_energy = chain.state.copy(), chain.energy
                chain.idle = 0
        return [rise for rise in rises if rise > 0]

    def _judge(self, windows: Ints, states: Ints) -> Floats:
        self.spent += len(states)
        return self.problem.energies(windows, states)

    def _note(self) -> None:
        best = [chain.best_energy for chain in self.chains.values()]
        self.curve.append((self.spent, float(np.mean(best))))


def anneal(problem: Problem, evaluations: int, seed: int) -> Found:
    """Simulated annealing, then a sweep downhill from the best so far."""
    search = Search(problem, evaluations, seed)
    draw = RandomMoves(problem.layout)
    rises = search.rises(draw, TRIALS)
    heat = float(np.mean(rises)) / -math.log(ACCEPTED_AT_FIRST) if rises else 0.0
    sweep = int(evaluations * SWEEP_SHARE)
    search.run(draw, evaluations - sweep, heat, last_share=LAST_SHARE)
    search.restart()
    search.run(draw, evaluations)
    return search.found()
