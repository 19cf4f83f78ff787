"""Real numbers -> whole numbers: a learned step per channel, noise in training, rounding after.

Tensors in, tensors out. Uniform noise of one step stands for rounding while gradients are wanted
(Balle et al. 2017, arXiv:1611.01704): noisy and rounded values have the same expected error.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Quantiser(nn.Module):
    """Channels lie on axis 1. Whole numbers are at most `limit` in size."""

    def __init__(self, channels: int, limit: int, step: float = 0.25) -> None:
        super().__init__()
        self.limit = limit
        self.log_step = nn.Parameter(torch.full((channels,), math.log(step)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> symbols: with noise of one step in training, whole numbers else.

        What is beyond `limit` is clipped where it is rounded; in training it is not, so that the
        rate pulls it back.
        """
        symbols = x.float() / self._step(x.ndim)
        if self.training:
            return symbols + torch.rand_like(symbols) - 0.5
        return symbols.round().clamp(-self.limit, self.limit)

    def restore(self, symbols: Tensor) -> Tensor:
        """Symbols (B, C, ...) -> real numbers, fp32."""
        return symbols.float() * self._step(symbols.ndim)

    def _step(self, dimensions: int) -> Tensor:
        return self.log_step.exp().view(1, -1, *[1] * (dimensions - 2))
