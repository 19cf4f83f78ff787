"""Style distance: Gram matrices of a frozen network's features (Gatys et al., CVPR 2016).

Tensors in, tensors out. The network is MobileNetV2 (`mobilenet.py`) rather than VGG: its weights
are here anyway. Figures compare with each other, not with those of papers that use VGG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from models.mobilenet import MobileNetPyramid

# Blocks whose features are looked at: strides 2, 4, 8 and 16 with 16, 24, 32 and 96 channels.
BLOCKS = (1, 3, 6, 13)


def grams(net: MobileNetPyramid, rgb: Tensor) -> list[Tensor]:
    """(B, 3, H, W) in 0..1 -> a matrix (B, C, C) a block, mean over places; gradients flow."""
    x = (rgb * 255 - net.mean) / net.std
    found = []
    for index, block in enumerate(net.features):
        if index > BLOCKS[-1]:
            break
        x = block(x)
        if index in BLOCKS:
            flat = x.flatten(2)
            found.append(flat @ flat.transpose(1, 2) / flat.shape[2])
    return found


def gram_distance(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """(B,): mean over blocks of ||A - B||_F / (||A||_F + ||B||_F), 0 for equal, at most 1.

    Relative to the matrices' own size, so that each block weighs the same.

    Raises:
        ValueError: if the numbers of blocks differ.
    """
    apart = []
    for a, b in zip(ours, theirs, strict=True):
        size = a.flatten(1).norm(dim=1) + b.flatten(1).norm(dim=1)
        apart.append((a - b).flatten(1).norm(dim=1) / size.clamp(min=1e-12))
    return torch.stack(apart).mean(dim=0)
