"""Principal components and multi-set canonical correlation: the linear peers of a learned code.

Arrays in, arrays out. Both are told what is absent, and neither takes it for zeros: PCA fills it
with the mean in fitting and solves for the rest in use, MCCA counts each pair of blocks over the
rows that have both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

# Ridge of each block's own covariance, as a share of its mean variance: 40 rows do not know 100
# numbers, and without it MCCA finds correlations of 1 in noise.
RIDGE = 0.1


@dataclass(frozen=True)
class PrincipalComponents:
    """`x ~ mean + z @ axes`: mean (D,), axes (K, D) orthonormal, variances (K,) of z."""

    mean: Floats
    axes: Floats
    variances: Floats

    @classmethod
    def fit(cls, x: npt.NDArray[np.floating], count: int) -> PrincipalComponents:
        """Fit at most `count` components to (N, D); fewer where rows or columns are fewer.

        Raises:
            ValueError: there is no row.
        """
        rows = np.asarray(x, np.float64)
        if rows.ndim != 2 or not len(rows):
            raise ValueError(f"needs (N >= 1, D), got {rows.shape}")
        mean = rows.mean(axis=0)
        centred = rows - mean
        # Whichever side is shorter has the smaller symmetric problem.
        if rows.shape[0] < rows.shape[1]:
            values, vectors = np.linalg.eigh(centred @ centred.T)
            kept = _kept(values, count)
            axes = (vectors[:, kept].T @ centred) / np.sqrt(values[kept])[:, None]
        else:
            values, vectors = np.linalg.eigh(centred.T @ centred)
            kept = _kept(values, count)
            axes = vectors[:, kept].T
        return cls(mean, axes, values[kept] / len(rows))

    def codes(self, x: npt.NDArray[np.floating]) -> Floats:
        """(N, D) -> (N, K)."""
        return (np.asarray(x, np.float64) - self.mean) @ self.axes.T

    def completed(self, x: npt.NDArray[np.floating], known: Bools) -> Floats:
        """Return (D,) whole, from one row of which only `known` (D,) is there.

        The likeliest codes given what is known, if they are normal of the fitted variances and
        the rest is noise of a hundredth of them.
        """
        part = self.axes[:, known]
        noise = 1e-2 * self.variances.mean() if self.variances.size else 1.0
        normal = part @ part.T + np.diag(noise / np.maximum(self.variances, 1e-12))
        code = np.linalg.solve(normal, part @ (np.asarray(x, np.float64) - self.mean)[known])
        return self.mean + code @ self.axes


@dataclass(frozen=True)
class CanonicalCorrelation:
    """Multi-set CCA as a generalised eigenproblem (Kettenring 1971): a projection a block.

    `means[v]` (D_v,), `maps[v]` (D_v, K), best correlated first; `strength` (K,) is the mean
    correlation that each dimension has over pairs of blocks in training, shrunk by the ridge.
    """

    means: tuple[Floats, ...]
    maps: tuple[Floats, ...]
    strength: Floats

    @classmethod
    def fit(
        cls, blocks: Sequence[npt.NDArray[np.floating]], present: Bools, count: int
    ) -> CanonicalCorrelation:
        """Fit `count` dimensions to V blocks (N, D_v), of which `present` (N, V) rows are there.

        Solves C a = (1 + (V - 1) r) D a, where C has all covariances and D those within blocks.

        Raises:
            ValueError: a block has fewer than two rows.
        """
        if (present.sum(axis=0) < 2).any():
            raise ValueError(f"rows of each block: {present.sum(axis=0).tolist()}; needs two each")
        parts = [np.asarray(block, np.float64) for block in blocks]
        means = tuple(x[there].mean(axis=0) for x, there in zip(parts, present.T, strict=True))
        centred = [
            (x - mean) * there[:, None]
            for x, mean, there in zip(parts, means, present.T, strict=True)
        ]
        ends = np.cumsum([0, *(x.shape[1] for x in parts)])
        cuts = [slice(a, b) for a, b in pairwise(ends)]
        every, within = np.zeros((ends[-1], ends[-1])), np.zeros((ends[-1], ends[-1]))
        for i, one in enumerate(cuts):
            for j, other in enumerate(cuts):
                together = int((present[:, i] & present[:, j]).sum())
                every[one, other] = centred[i].T @ centred[j] / max(1, together)
            own = every[one, one]
            own[np.diag_indices_from(own)] += RIDGE * np.trace(own) / len(own) + 1e-12
            within[one, one] = own
        count = min(count, *(x.shape[1] for x in parts))
        last = [len(every) - count, len(every) - 1]
        values, vectors = eigh(every, within, subset_by_index=last)
        vectors = vectors[:, ::-1]
        strength = (values[::-1] - 1) / max(1, len(parts) - 1)
        return cls(means, tuple(vectors[cut] for cut in cuts), strength)

    def codes(self, block: int, x: npt.NDArray[np.floating]) -> Floats:
        """One block's rows (N, D_v) -> (N, K)."""
        return (np.asarray(x, np.float64) - self.means[block]) @ self.maps[block]

    def joint(self, blocks: Sequence[npt.NDArray[np.floating]], present: Bools) -> Floats:
        """Mean of the codes of the blocks that are there, (N, K); zeros where none is."""
        codes = np.stack([self.codes(v, x) for v, x in enumerate(blocks)], axis=1)
        summed = np.where(present[..., None], codes, 0.0).sum(axis=1)
        return np.asarray(summed / np.maximum(1, present.sum(axis=1))[:, None])


def _kept(values: Floats, count: int) -> npt.NDArray[np.intp]:
    """Return the largest eigenvalues' places, largest first, without those that are rounding."""
    order = np.argsort(values)[::-1][:count]
    return order[values[order] > 1e-10 * max(float(values.max()), 1e-300)]
