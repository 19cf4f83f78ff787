"""Ways to refine a code by name: all have one signature, one budget and one end.

Arrays in, arrays out. None is worse than its start: what a search found is judged again by the
range coder's real bytes, each window by itself, and where that is not below the start it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.annealing import anneal
from models.controls import cold, greedy, iterated_greedy, rounding
from models.gradient_codes import gradient

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.annealing import Floats, Found
    from models.code_energy import CodeEnergy, Decided
    from models.code_moves import Ints

    Method = Callable[[CodeEnergy, int, int], Found]

METHODS: dict[str, Method] = {
    "rounding": rounding,
    "greedy": greedy,
    "iterated-greedy": iterated_greedy,
    "cold": cold,
    "annealing": anneal,
    "gradient": gradient,
}
# What wins on held-out clips: infra/decisions/0020-annealing.md. `refine` is its other name.
DEFAULT = "gradient"
OFFERED = ("refine", *(name for name in METHODS if name != "rounding"))
# Evaluations of one clip, shared by its windows (MODELS section 5).
EVALUATIONS = 2000


class Refined(NamedTuple):
    """The codes of W windows before and after, as decided by real bytes; `states` (W, n)."""

    states: Ints
    before: Decided
    after: Decided
    bits: Floats  # what the model's prior says that `states` cost
    evaluations: int
    pictures: int
    curve: list[tuple[int, float]]


def chosen(name: str) -> str:
    """Return the method that a name stands for."""
    return DEFAULT if name == "refine" else name


def refine(problem: CodeEnergy, method: str, evaluations: int, seed: int) -> Refined:
    """Refine the codes of a clip.

    Raises:
        KeyError: there is no such method.
    """
    found = METHODS[method](problem, evaluations, seed)
    before = problem.decided(problem.start)
    changed = (found.states != problem.start).any(axis=1)
    after = problem.decided(found.states) if changed.any() else before
    # Strictly: what is no better costs nobody a rewritten code.
    better = changed & (after.energy < before.energy)
    states = np.where(better[:, None], found.states, problem.start)
    kept = type(before)(
        np.where(better, after.energy, before.energy),
        np.where(better, after.error, before.error),
        np.where(better, after.size, before.size),
        [a if up else b for a, b, up in zip(after.data, before.data, better, strict=True)],
    )
    bits = problem.estimated(states)
    return Refined(states, before, kept, bits, found.evaluations, problem.pictures, found.curve)
