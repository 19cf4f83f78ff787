"""ESPCN, a peer of super-resolution: convolutions at low resolution, then a shuffle of pixels.

Shi et al. 2016 (arXiv:1609.05158). Tensors in, tensors out. Of colours where the paper's is of
luma, and over bicubic (see `StillEnlarger`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.still_enlarger import StillEnlarger


@dataclass(frozen=True)
class EspcnConfig:
    """Sizes of the paper: 5x5 to 64, 3x3 to 32 channels. 26,796 parameters at x2."""

    scale: Literal[2, 4] = 2
    width: int = 64
    narrow: int = 32


class Espcn(StillEnlarger):
    """Three convolutions a frame; reach 9 x 9 low-resolution pixels."""

    def __init__(self, config: EspcnConfig | None = None) -> None:
        super().__init__()
        self.config = config or EspcnConfig()
        self.scale = self.config.scale
        self.first = nn.Conv2d(3, self.config.width, 5, padding=2)
        self.second = nn.Conv2d(self.config.width, self.config.narrow, 3, padding=1)
        self.last = nn.Conv2d(self.config.narrow, 3 * self.scale**2, 3, padding=1)
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Glorot-normal for tanh, zero for the last: the start is bicubic."""
        for conv in (self.first, self.second):
            nn.init.xavier_normal_(conv.weight, gain=5 / 3, generator=generator)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # it has one

    def detail(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, sh, sw)."""
        found = torch.tanh(self.second(torch.tanh(self.first(x))))
        return functional.pixel_shuffle(self.last(found), self.scale)
