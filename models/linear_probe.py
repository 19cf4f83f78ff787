"""A linear probe: what a straight line can read off codes. Arrays in, labels out.

Ridge regression on one-hot labels in closed form: no seed, no steps, the same answer each time.
Classes weigh the same however many items they have. How strong the ridge is, is chosen by leaving
out one group of training items (a session) after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# As shares of the mean squared singular value of the standardised items.
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
# Where groups do not tell: one label a class has nothing to leave out.
RIDGE = 1e-1


@dataclass(frozen=True)
class LinearProbe:
    """Scores are `((x - mean) / spread) @ weights + offset`: weights (D, C), for `classes` (C,)."""

    classes: Ints
    mean: Floats
    spread: Floats
    weights: Floats
    offset: Floats
    ridge: float

    @classmethod
    def fit(cls, x: npt.NDArray[np.floating], labels: Ints, groups: Ints) -> LinearProbe:
        """Fit to items (N, D), their labels (N,) and the groups they came in (N,).

        The ridge is the strongest of the best, where every class is in two groups or more.

        Raises:
            ValueError: there is no item.
        """
        rows = np.asarray(x, np.float64)
        if rows.ndim != 2 or not len(rows):
            raise ValueError(f"needs (N >= 1, D), got {rows.shape}")
        ridge = RIDGE
        if all(len(np.unique(groups[labels == one])) > 1 for one in np.unique(labels)):
            right = np.zeros(len(RIDGES))
            for group in np.unique(groups):
                out = groups == group
                for k, probe in enumerate(_fits(rows[~out], labels[~out], RIDGES)):
                    right[k] += (probe.said(rows[out]) == labels[out]).sum()
            ridge = max(zip(right, RIDGES, strict=True))[1]
        return _fits(rows, labels, (ridge,))[0]

    def scores(self, x: npt.NDArray[np.floating]) -> Floats:
        """(N, D) -> (N, C); about 1 for the class it is, 0 for the others."""
        found = (np.asarray(x, np.float64) - self.mean) / self.spread @ self.weights + self.offset
        return np.asarray(found)

    def said(self, x: npt.NDArray[np.floating]) -> Ints:
        """(N, D) -> the likeliest class of each, (N,)."""
        found: Ints = self.classes[self.scores(x).argmax(axis=1)]
        return found


def _fits(rows: Floats, labels: Ints, ridges: tuple[float, ...]) -> list[LinearProbe]:
    """Fit with each ridge; one decomposition serves them all."""
    classes, which = np.unique(labels, return_inverse=True)
    weight = 1 / (len(classes) * np.bincount(which)[which])
    mean = weight @ rows
    spread = np.sqrt(weight @ (rows - mean) ** 2)
    spread = np.where(spread > 1e-9 * max(float(spread.max()), 1e-300), spread, 1.0)
    targets = np.eye(len(classes))[which]
    offset = weight @ targets
    root = np.sqrt(weight)[:, None]
    seen = root * (rows - mean) / spread
    wanted = root * (targets - offset)
    # The smaller of the two symmetric problems, which share what is not zero.
    tall = len(seen) > seen.shape[1]
    values, axes = np.linalg.eigh(seen.T @ seen if tall else seen @ seen.T)
    values = np.maximum(values, 0.0)
    told = axes.T @ (seen.T @ wanted if tall else wanted)
    power = max(float(values.mean()), 1e-12)
    found = []
    for ridge in ridges:
        weights = axes @ (told / (values + ridge * power)[:, None])
        weights = weights if tall else seen.T @ weights
        found.append(LinearProbe(classes, mean, spread, weights, offset, ridge))
    return found
