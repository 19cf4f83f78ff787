"""How much boxes overlap. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Real = TypeVar("Real", np.float32, np.float64)


def overlaps(one: npt.NDArray[Real], other: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """Return the intersection over union of boxes (N, 4) and (M, 4), x0 y0 x1 y1: (N, M)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    first, second = (
        np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=-1) for boxes in (one, other)
    )
    union = first[:, None] + second[None] - common
    shared: npt.NDArray[Real] = common / np.maximum(union, one.dtype.type(1e-12))
    return shared
