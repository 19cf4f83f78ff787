"""What annealing is held against, at equal evaluations: no search, and searches without heat.

Arrays in, arrays out. `gradient_codes.py` has the control that asks the decoder for gradients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.annealing import EACH, Search
from models.code_moves import Move, RandomMoves, Scan

if TYPE_CHECKING:
    from models.annealing import Chain, Found, Problem
    from models.code_moves import Draw

# Iterated greedy takes this share of a window's symbols apart when nothing has improved for so
# many evaluations of it.
KICKED_SHARE, PATIENCE = 0.02, 48


def rounding(problem: Problem, evaluations: int, seed: int) -> Found:
    """The start as it is: what the encoder's rounding gave."""
    return Search(problem, min(evaluations, len(problem.windows)), seed).found()


def cold(problem: Problem, evaluations: int, seed: int) -> Found:
    """The moves of annealing at T = 0: what is not better is never accepted."""
    search = Search(problem, evaluations, seed)
    search.run(RandomMoves(problem.layout), evaluations)
    return search.found()


def greedy(problem: Problem, evaluations: int, seed: int) -> Found:
    """Greedy descent: every symbol up and down by one in turn, and what is better is kept."""
    search = Search(problem, evaluations, seed)
    search.run(Scan(problem.layout), evaluations)
    return search.found()


def iterated_greedy(problem: Problem, evaluations: int, seed: int) -> Found:
    """Greedy descent that takes a few symbols apart whenever it stands still.

    A kick is an evaluation and is made whatever it costs; when the descent from it stands still
    in its turn, the better of before and after is gone on from.
    """
    search = Search(problem, evaluations, seed)
    draw = Scan(problem.layout)
    while search.chains and search.spent < search.budget:
        for name, chain in search.chains.items():
            if chain.idle >= PATIENCE and search.spent < search.budget:
                _kick(search, name, chain, draw)
        search.run(draw, search.spent + EACH * len(search.chains))
    return search.found()


def _kick(search: Search, name: int, chain: Chain, draw: Draw) -> None:
    state = chain.best.copy()
    for _ in range(max(1, round(KICKED_SHARE * len(state)))):
        move: Move = draw(search.rng, name, state)
        state[move.places] = move.values
    energy = search.judged(name, state)
    chain.state, chain.energy, chain.waiting, chain.idle = state, energy, None, 0
    if energy < chain.best_energy:
        chain.best, chain.best_energy = state.copy(), energy
