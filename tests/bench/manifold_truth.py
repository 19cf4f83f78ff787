"""Manifolds of known truth: a plane rolled up in one view and waved in the other.

Both views have 32 numbers: the surface turned in space, and noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

NUMBERS, NOISE = 32, 0.05


class Surface(NamedTuple):
    """Rows (N, 32) of each view, and the plane (N, 2) they show, in equal units of length."""

    rolled: Floats
    waved: Floats
    plane: Floats


def surface(count: int, seed: int = 0) -> Surface:
    """Draw `count` points, evenly over the plane."""
    rng = np.random.default_rng(seed)
    # Archimedes' spiral r = t from 1.5 pi to 4.5 pi, by its arc length; 21 wide.
    t = np.linspace(1.5 * np.pi, 4.5 * np.pi, 4096)
    arc = (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2
    length = rng.uniform(arc[0], arc[-1], count)
    across = rng.uniform(0, 21, count)
    turn = np.interp(length, arc, t)
    rolled = np.stack([turn * np.cos(turn), across, turn * np.sin(turn)], axis=1)
    waved = np.stack([length, across, 4 * np.sin(length / 6) * np.cos(across / 5)], axis=1)
    placed = []
    for v, one in enumerate((rolled, waved)):
        # The same turn for every seed: other points of one manifold.
        axes = np.linalg.qr(np.random.default_rng([7, v]).normal(size=(NUMBERS, 3)))[0]
        placed.append(one @ axes.T + NOISE * rng.normal(size=(count, NUMBERS)))
    return Surface(placed[0], placed[1], np.stack([length - arc[0], across], axis=1))
