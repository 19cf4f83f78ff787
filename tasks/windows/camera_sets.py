"""Sets of a window's cameras: which are looked at, and two plain ways to make a code of them.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from models.conditioning import MOST_CAMERAS

if TYPE_CHECKING:
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

# Of up to so many cameras all sets are looked at, of more a sample of each size.
ALL_SETS = 5
SETS_PER_SIZE = 8


def sets_of(seen: Bools, seed: int) -> Bools:
    """Return sets of the cameras that are seen, (M, V), each with a camera in it, small ones first.

    Of up to `ALL_SETS` cameras all of them; of more at most `SETS_PER_SIZE` of each size, drawn by
    `seed`. With each set the rest of the cameras is one too; all together come last.
    """
    cameras = np.flatnonzero(seen)
    count = len(cameras)
    rng = np.random.default_rng(seed)
    found: list[tuple[int, ...]] = []
    for size in range(1, count // 2 + 1):
        sets = list(combinations(range(count), size))
        halves = 2 * size == count
        if halves:
            sets = [one for one in sets if 0 in one]
        most = SETS_PER_SIZE // 2 if halves else SETS_PER_SIZE
        if count > ALL_SETS and len(sets) > most:
            sets = [sets[k] for k in sorted(rng.choice(len(sets), most, replace=False))]
        found += sets
        found += [tuple(sorted({*range(count)} - {*one})) for one in sets]
    found.sort(key=lambda one: (len(one), one))
    if count:
        found.append(tuple(range(count)))
    masks = np.zeros((len(found), len(seen)), bool)
    for mask, one in zip(masks, found, strict=True):
        mask[cameras[list(one)]] = True
    return masks


def late_mean(masks: Bools, codes: Floats) -> Floats:
    """Sets of cameras (M, V) and their codes (M, E) -> the mean of the codes of single cameras.

    The sets of one camera are among them. Of length 1, (M, E).
    """
    summed = masks.astype(np.float64) @ _singles(masks, codes)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.asarray(summed / np.maximum(length, 1e-12))


def concat_zeros(masks: Bools, codes: Floats) -> Floats:
    """Return the codes of single cameras side by side, zeros where one is not given: (M, 8 E)."""
    whole = np.zeros((len(masks), MOST_CAMERAS, codes.shape[1]))
    whole[:, : masks.shape[1]] = masks[..., None] * _singles(masks, codes)
    return whole.reshape(len(masks), -1)


def _singles(masks: Bools, codes: Floats) -> Floats:
    """Return the code of each camera by itself, (V, E); zeros of those in no set."""
    single = np.zeros((masks.shape[1], codes.shape[1]))
    alone = masks.sum(axis=1) == 1
    single[masks[alone].argmax(axis=1)] = codes[alone]
    return single
