"""Losses of monocular depth that scale and shift of the inverse cannot change, in fp32.

Tensors in, scalars out. After Ranftl et al. 2020 (arXiv:1907.01341): residuals between maps that
are each normalised by their median and mean absolute deviation, and the gradients of the residual
at several scales. They leave out the largest fifth of the residuals, for truths that are noisy;
rendered truth is exact, and with that fifth the nearest row of a picture was never learnt (its
inverse depth was .64 of the spread too large).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SCALES = 4
# A map flatter than this is not stretched any further.
_LEAST_SPREAD = 1e-3


def normalised(inverse: Tensor) -> Tensor:
    """(B, 1, h, w) -> the same with median 0 and mean absolute deviation 1, each map by itself."""
    flat = inverse.float().flatten(1)
    middle = flat.median(dim=1, keepdim=True).values
    spread = (flat - middle).abs().mean(dim=1, keepdim=True).clamp(min=_LEAST_SPREAD)
    return ((flat - middle) / spread).view_as(inverse)


def gradient_error(residual: Tensor) -> Tensor:
    """Mean absolute change of a residual (B, 1, h, w) from cell to cell, over `SCALES` scales.

    Each scale keeps every second cell of the one before: sharp edges in the right places.
    """
    found = residual.new_zeros(())
    for scale in range(SCALES):
        part = residual[..., :: 2**scale, :: 2**scale]
        found = found + (part[..., 1:] - part[..., :-1]).abs().mean()
        found = found + (part[..., 1:, :] - part[..., :-1, :]).abs().mean()
    return found / SCALES


def depth_loss(
    answer: Tensor, truth: Tensor, *, gradient: float, confidence: float, anchor: float
) -> Tensor:
    """Loss of a network's answer (B, 2, h, w) against true inverse depth (B, 1, h, w).

    Mean absolute residual + `gradient` times that of its gradients + `confidence` times the
    Laplacian likelihood of the residual under the scale in channel 1 (which does not move channel
    0) + `anchor` times the distance of channel 0 itself from the normalised truth, so that its own
    scale and shift stay put from frame to frame.

    Raises:
        ValueError: if the shapes do not fit.
    """
    if answer.ndim != 4 or answer.shape[1] != 2 or truth.shape != answer[:, :1].shape:
        raise ValueError(f"needs (B, 2, h, w), (B, 1, h, w): {answer.shape}, {truth.shape}")
    inverse, log_scale = answer[:, :1].float(), answer[:, 1:].float()
    target = normalised(truth)
    residual = normalised(inverse) - target
    loss = residual.abs().mean() + gradient * gradient_error(residual)
    size = residual.detach().abs()
    loss = loss + confidence * (size * torch.exp(-log_scale) + log_scale).mean()
    return torch.add(loss, functional.smooth_l1_loss(inverse, target), alpha=anchor)
