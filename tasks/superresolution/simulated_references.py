"""References to learn from: what another camera could show of a known window, right or wrong.

Pure. A pair of real cameras has no truth for how a warp goes wrong, and most pairs of a wide rig
hardly overlap; so the window itself is shown as a warped reference is: a little off its place,
brighter or duller, softer, with holes, and at places something else that is said to be valid.
What is not valid is black, as in `reference_warps.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from models.metrics import quantise
from models.resample import upsample

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

NONE_SHARE = 0.3  # of the samples have no valid pixel, as a camera without a partner has
SOFT_SHARE = 0.5  # of the references are no sharper than the window's own small copy
WRONG_SHARE = 0.4  # have a box of something else within what is said to be valid
OFF_PX = 1.5  # how far a warp misses, at the output's size
GRID = 4  # the miss varies over the picture as smoothly as so many points a side do
GAIN, LEVELS = 0.12, 0.05


def simulated_references(truth: Tensor, small: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, T, 3, H, W) and its small copies -> (B, T, 4, H, W): rgb 0..1 and validity 0 or 1."""
    found = torch.zeros(*truth.shape[:2], 4, *truth.shape[-2:])
    scale = truth.shape[-1] // small.shape[-1]
    for k in range(len(truth)):
        if rng.random() < NONE_SHARE:
            continue
        seen = truth[k]
        if rng.random() < SOFT_SHARE:
            seen = upsample(small[k], scale).clamp(0, 1)
        other = truth[int(rng.integers(len(truth)))]
        found[k] = _one(seen, other, rng)
    return found


def _one(seen: Tensor, other: Tensor, rng: np.random.Generator) -> Tensor:
    height, width = seen.shape[-2:]
    moved = _moved(seen, rng)
    gain = torch.from_numpy(rng.uniform(1 - GAIN, 1 + GAIN, 3)).float().view(3, 1, 1)
    level = float(rng.uniform(-LEVELS, LEVELS))
    rgb = moved * gain + level
    if rng.random() < WRONG_SHARE:
        y, x = _box(height, width, rng)
        rgb[..., y, x] = other[..., y, x].flip(-1)
    valid = torch.ones(len(seen), 1, height, width)
    for _ in range(int(rng.integers(3))):
        y, x = _box(height, width, rng)
        valid[..., y, x] = 0
    return torch.cat([quantise(rgb) * valid, valid], dim=1)


def _moved(seen: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift smoothly, by at most some `OFF_PX` at each point of a coarse grid, alike in time."""
    height, width = seen.shape[-2:]
    reach = float(rng.uniform(0, OFF_PX))
    coarse = torch.from_numpy(rng.uniform(-reach, reach, (1, 2, GRID, GRID))).float()
    off = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([(x + off[0] + 0.5) / width, (y + off[1] + 0.5) / height], dim=-1) * 2 - 1
    return functional.grid_sample(
        seen,
        grid.expand(len(seen), height, width, 2),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )


def _box(height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
    tall, wide = (int(rng.integers(1, side // 2 + 1)) for side in (height, width))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    return slice(top, top + tall), slice(left, left + wide)
