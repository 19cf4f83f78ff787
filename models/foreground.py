"""Picture quality where something moves: a fixed camera's background is easily memorised.

Tensors in, tensors out. The foreground is what differs in luma from the median of its clip: the
same quantity by which the training loss is weighted, here cut at half of that weight's ramp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from models.metrics import PSNR_CEILING_DB

if TYPE_CHECKING:
    from torch import Tensor

# In luma 0..1: 26 grey levels. Noise and coding stay under it, clothes and skin seldom do.
MOVED = 0.1


def clip_median(luma: Tensor) -> Tensor:
    """The median over time of (..., T, H, W): (..., H, W), what stands still for half the clip."""
    return luma.float().quantile(0.5, dim=-3)


def motion_mask(luma: Tensor, still: Tensor | None = None, level: float = MOVED) -> Tensor:
    """Where luma 0..1 differs from the clip's median by more than `level`: (..., T, H, W) bool.

    Take it from the truth, never from what is judged. `still` (..., H, W) is the median of a
    longer stretch than the frames given: in eight steps of 80 ms a slow walker is part of his own.

    Raises:
        ValueError: there is no time axis.
    """
    if luma.ndim < 3:
        raise ValueError(f"needs (..., T, H, W), got {tuple(luma.shape)}")
    median = clip_median(luma) if still is None else still
    return (luma - median.unsqueeze(-3)).abs() > level


def foreground_psnr(ours: Tensor, truth: Tensor, moved: Tensor) -> Tensor:
    """PSNR in dB over the marked pixels of all frames together: (..., T, H, W) -> (...).

    Peak 1, at most 100. One mean square over the clip, so that a frame with three moving pixels
    weighs as three pixels. Not a number where nothing is marked: such a clip is not judged.

    Raises:
        ValueError: if the shapes differ.
    """
    if not ours.shape == truth.shape == moved.shape:
        shapes = tuple(ours.shape), tuple(truth.shape), tuple(moved.shape)
        raise ValueError(f"shapes differ: {shapes}")
    error = (ours.double() - truth.double()).square()
    # Not a product with the mask: what is not marked may be infinite or not a number.
    total = torch.where(moved, error, 0.0).sum(dim=(-3, -2, -1))
    mse = total / moved.sum(dim=(-3, -2, -1))
    return (-10.0 * torch.log10(mse.clamp_min(10 ** (-PSNR_CEILING_DB / 10)))).float()
