"""FSRCNN, a peer of super-resolution: shrink, map, expand, and a transposed convolution.

Dong et al. 2016 (arXiv:1608.00367). Tensors in, tensors out. Of colours where the paper's is of
luma, and over bicubic (see `StillEnlarger`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.still_enlarger import StillEnlarger


@dataclass(frozen=True)
class FsrcnnConfig:
    """The paper's FSRCNN(56, 12, 4). 24,683 parameters at any scale."""

    scale: Literal[2, 4] = 2
    width: int = 56
    narrow: int = 12
    layers: int = 4


class Fsrcnn(StillEnlarger):
    """Seven convolutions a frame, each but the first and last of twelve channels."""

    def __init__(self, config: FsrcnnConfig | None = None) -> None:
        super().__init__()
        self.config = config or FsrcnnConfig()
        wide, narrow, self.scale = self.config.width, self.config.narrow, self.config.scale
        inner = [nn.Conv2d(narrow, narrow, 3, padding=1) for _ in range(self.config.layers)]
        convs = [nn.Conv2d(3, wide, 5, padding=2), nn.Conv2d(wide, narrow, 1), *inner]
        convs.append(nn.Conv2d(narrow, wide, 1))
        self.convs = nn.ModuleList(convs)
        self.slopes = nn.ModuleList(nn.PReLU(conv.out_channels) for conv in convs)
        # 9x9 taps a step of `scale`: (h - 1) s - 8 + 9 + s - 1 = s h.
        self.last = nn.ConvTranspose2d(
            wide, 3, 9, stride=self.scale, padding=4, output_padding=self.scale - 1
        )
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """He-normal, zero for the last: the start is bicubic."""
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, a=0.25, generator=generator)  # type: ignore[arg-type]  # convolutions
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # they have one
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # it has one

    def detail(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, 3, sh, sw)."""
        for conv, slope in zip(self.convs, self.slopes, strict=True):
            x = slope(conv(x))
        return self.last(x)  # type: ignore[no-any-return]  # a module's call is untyped
