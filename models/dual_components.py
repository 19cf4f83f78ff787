"""Principal components of rows of pictures: too long to hold as floats, so kept as sums of rows.

Arrays in, arrays out. The same arithmetic as `linear_codes.PrincipalComponents` in its dual form:
an axis is a weighted sum of training rows, so all that is needed of 256 rows of 600,000 bytes is
their products with each other, block by block. 154 MB instead of 1.2 GB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]
    Bytes = npt.NDArray[np.uint8]

# Eigenvalues under this share of the largest are the rounding of fp32 products.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class DualComponents:
    """`x ~ mean + z @ maps.T @ (rows - mean)` of rows that are B blocks of P bytes, as 0..1.

    `rows` (N, B, P) uint8, `present` (N, B), `mean` (B, P), `maps` (N, K) best first, `variances`
    (K,) of z, `grams` (B, N, N) the products of centred rows in each block. An absent block is
    filled with the mean.
    """

    rows: Bytes
    present: Bools
    mean: npt.NDArray[np.float32]
    maps: Floats
    variances: Floats
    grams: Floats

    @classmethod
    def fit(cls, rows: Bytes, present: Bools, count: int) -> DualComponents:
        """Fit at most `count` components; fewer where rows are.

        Raises:
            ValueError: there is no row, or no block of any.
        """
        if rows.ndim != 3 or not present.any() or present.shape != rows.shape[:2]:
            raise ValueError(f"needs (N >= 1, B, P) bytes, got {rows.shape} and {present.shape}")
        blocks = rows.shape[1]
        means = [
            rows[there, b].mean(axis=0, dtype=np.float64) / 255 if there.any() else None
            for b, there in enumerate(present.T)
        ]
        # A block that no row has is what the others are in the mean.
        usual = np.mean([mean for mean in means if mean is not None], axis=0)
        mean = np.stack([usual if one is None else one for one in means]).astype(np.float32)
        found = cls(rows, present, mean, np.zeros((0, 0)), np.zeros(0), np.zeros(0))
        centred = (found.centred(b) for b in range(blocks))
        grams = np.stack([(x @ x.T).astype(np.float64) for x in centred])
        values, vectors = np.linalg.eigh(grams.sum(axis=0))
        order = np.argsort(values)[::-1][: max(0, count)]
        kept = order[values[order] > _ROUNDING * max(float(values.max()), 1e-300)]
        maps = vectors[:, kept] / np.sqrt(values[kept])
        return cls(rows, present, mean, maps, values[kept] / len(rows), grams)

    def centred(self, block: int) -> npt.NDArray[np.float32]:
        """Return a block of all rows less its mean, zero where it is absent: (N, P)."""
        x = self.rows[:, block].astype(np.float32) / 255 - self.mean[block]
        x[~self.present[:, block]] = 0
        return np.asarray(x, np.float32)

    def products(self, x: Bytes, known: Bools) -> Floats:
        """(B, P) and (B,) -> (B, N): the products with the training rows; 0 where not known."""
        found = np.zeros((len(known), len(self.rows)))
        for b in np.flatnonzero(known):
            # Not `centred`: a matrix less, which is most of the time.
            off = x[b].astype(np.float32) / 255 - self.mean[b]
            along = self.rows[:, b].astype(np.float32) @ off / 255 - self.mean[b] @ off
            found[b] = np.where(self.present[:, b], along, 0.0)
        return found

    def weights(self, products: Floats, known: Bools, count: int) -> Floats:
        """Return the weights (N,) of training rows in a row of which some blocks are known.

        The likeliest code of at most `count` numbers, as `PrincipalComponents.completed` has it.
        """
        maps, variances = self.maps[:, :count], self.variances[:count]
        noise = 1e-2 * variances.mean() if variances.size else 1.0
        part = maps.T @ self.grams[known].sum(axis=0) @ maps
        normal = part + np.diag(noise / np.maximum(variances, 1e-12))
        code = np.linalg.solve(normal, maps.T @ products[known].sum(axis=0))
        return np.asarray(maps @ code)

    def block(self, weights: Floats, block: int) -> npt.NDArray[np.float32]:
        """Return a block of the row with these weights: (P,), 0..1 but not clipped."""
        there = np.where(self.present[:, block], weights, 0.0).astype(np.float32)
        summed = there @ self.rows[:, block].astype(np.float32) / 255
        return np.asarray(summed + (1 - there.sum()) * self.mean[block], np.float32)
