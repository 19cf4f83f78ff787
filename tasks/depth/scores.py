"""How far inverse depth is from the truth: absolute relative error and delta, per picture.

Reads and writes nothing. A network that knows depth up to an affine change of its inverse is
fitted to the truth first, and so are its baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Map = npt.NDArray[np.float64]

# Farther than this is sky: not judged, and no answer is taken to be farther.
FARTHEST_M = 40.0
DELTA = 1.25


def fitted(inverse: npt.NDArray[np.generic], truth: npt.NDArray[np.generic]) -> Map:
    """Return a s + b closest to the true inverse depth, by least squares over judged cells."""
    x, y = np.asarray(inverse, np.float64), np.asarray(truth, np.float64)
    there = judged(y)
    columns = np.stack([x[there], np.ones(there.sum())], axis=1)
    (scale, shift), *_ = np.linalg.lstsq(columns, y[there], rcond=None)
    return np.asarray(scale * x + shift)


def judged(truth: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where the truth is nearer than `FARTHEST_M`."""
    return np.asarray(np.asarray(truth, np.float64) > 1 / FARTHEST_M)


def depth_errors(
    inverse: npt.NDArray[np.generic],
    truth: npt.NDArray[np.generic],
    where: npt.NDArray[np.bool_] | None = None,
) -> tuple[float, float]:
    """Return abs-rel and delta < 1.25 of an inverse depth (h, w) against the true one.

    abs-rel is the mean of |z - z'| / z', delta the share of cells within a factor of 1.25 (Eigen
    et al. 2014). Not a number where no cell is judged.
    """
    there = judged(truth) if where is None else judged(truth) & where
    if not there.any():
        return float("nan"), float("nan")
    ours = 1 / np.maximum(np.asarray(inverse, np.float64)[there], 1 / FARTHEST_M)
    true = 1 / np.asarray(truth, np.float64)[there]
    ratio = np.maximum(ours / true, true / ours)
    return float(np.abs(ours / true - 1).mean()), float((ratio < DELTA).mean())


def plane_at_median(truth: npt.NDArray[np.generic]) -> Map:
    """Return the baseline that knows one number: everything is at the picture's median depth."""
    true = np.asarray(truth, np.float64)
    there = judged(true)
    return np.full(true.shape, np.median(true[there]) if there.any() else 0.0)


def ramp(truth: npt.NDArray[np.generic]) -> Map:
    """Return the baseline that knows two: lower in the picture is nearer, fitted to the truth."""
    rows = np.linspace(0, 1, truth.shape[0])[:, None]
    return fitted(np.broadcast_to(rows, truth.shape), truth)
