"""Features of single pictures at any size: the stride-8 map of the pretrained MobileNetV2.

Reads the asset `mobilenetv2`. The stored view *appearance* has it at 28 x 28 of a squashed
picture; a region wants its own camera's shape and more cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from models.mobilenet import PYRAMID_BLOCKS, MobileNetPyramid

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tasks.editing.evidence import Pixels

# Pictures are brought to this longer side first: 56 cells across.
SIDE = 448


class PictureFeatures:
    """The network up to stride 8, frozen."""

    def __init__(self, weights: Path) -> None:
        """`weights` is the asset's safetensors file."""
        from safetensors.torch import load_file

        net = MobileNetPyramid()
        net.load_state_dict(load_file(weights))
        net.eval()
        self._mean, self._std = net.mean, net.std
        self._blocks = net.features[: PYRAMID_BLOCKS[0] + 1]

    @torch.inference_mode()
    def __call__(self, picture: Pixels) -> Tensor:
        """Return (32, h, w) of unit length a cell, of a picture (H, W, 3) uint8."""
        x = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        grown = SIDE / max(x.shape[-2:])
        size = [max(8, round(side * grown / 8) * 8) for side in x.shape[-2:]]
        x = functional.interpolate(x, size=size, mode="bilinear", antialias=True)
        x = self._blocks((x - self._mean) / self._std)[0]
        return functional.normalize(x, dim=0)
