"""How well labels are told: top-1 and macro-F1. Arrays in, figures out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Labels = npt.NDArray[np.int64]


def top1(said: Labels, truth: Labels) -> float:
    """Share of items whose label is told right: two (N,) arrays.

    Raises:
        ValueError: the shapes differ or there is no item.
    """
    _require(said, truth)
    return float((said == truth).mean())


def macro_f1(said: Labels, truth: Labels) -> float:
    """Mean over classes of F1; the classes are those in the truth or said, as scikit-learn does.

    Raises:
        ValueError: the shapes differ or there is no item.
    """
    _require(said, truth)
    found = []
    for one in np.union1d(said, truth):
        both = np.sum((said == one) & (truth == one))
        found.append(2 * both / (np.sum(said == one) + np.sum(truth == one)))
    return float(np.mean(found))


def _require(said: Labels, truth: Labels) -> None:
    if said.shape != truth.shape or not truth.size:
        raise ValueError(f"needs two equal shapes with items, got {said.shape} and {truth.shape}")
