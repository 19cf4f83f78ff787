"""Training losses over video, in fp32 whatever precision the network ran in.

Tensors in, scalars out. Nothing is read or written.
"""

from __future__ import annotations

import torch
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3


def charbonnier(ours: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of sqrt(d^2 + 1e-6): an L1 that is smooth at zero. Equal shapes, values 0..1.

    A perfect match scores 1e-3, not 0. With a `weight`, which broadcasts to the shape, it is the
    weighted mean.

    Raises:
        ValueError: if the shapes differ (broadcasting here would hide a defect).
    """
    if ours.shape != truth.shape:
        raise ValueError(f"shapes differ: {tuple(ours.shape)} and {tuple(truth.shape)}")
    difference = ours.float() - truth.float()
    distance = torch.sqrt(difference * difference + CHARBONNIER_EPSILON**2)
    if weight is None:
        return distance.mean()
    weight = weight.expand_as(distance)
    return (distance * weight).sum() / weight.sum().clamp(min=1e-6)


def frame_difference(ours: Tensor, truth: Tensor) -> Tensor:
    """Charbonnier distance of the changes from frame to frame; (B, T, C, H, W), T >= 2.

    Punishes flicker that a per-frame loss cannot see, and needs no optical flow.

    Raises:
        ValueError: if the shapes differ or there are fewer than two frames.
    """
    if ours.ndim != 5 or ours.shape[1] < 2:
        raise ValueError(f"needs (B, T >= 2, C, H, W), got {tuple(ours.shape)}")
    return charbonnier(ours[:, 1:] - ours[:, :-1], truth[:, 1:] - truth[:, :-1])


def video_loss(ours: Tensor, truth: Tensor, *, consistency: float = 0.1) -> Tensor:
    """Charbonnier plus `consistency` times the frame-difference term; (B, T, C, H, W)."""
    loss = charbonnier(ours, truth)
    if consistency > 0 and ours.shape[1] > 1:
        loss = loss + consistency * frame_difference(ours, truth)
    return loss
