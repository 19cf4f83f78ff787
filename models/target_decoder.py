"""A code, a camera and an instant -> the picture that camera would have taken then.

Tensors in, tensors out. Cells of the target's grid ask the code's latents and cells, which lie in
no camera's picture; blocks under FiLM of camera and time (Perez et al. 2018, arXiv:1709.07871)
and pixel shuffles (Shi et al. 2016, arXiv:1609.05158) make pixels of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.conditioning import (
    Attention,
    CameraEmbedding,
    Mlp,
    grid_positions,
    time_embedding,
)
from models.convolutions import Conv, FilmResidual
from models.extractor import PIXEL_VIEWS

# How much of the base is kept before training, as a logit: .95.
KEEPS = 3.0


class TargetDecoder(nn.Module):
    """Shuffles cells up three times: a grid of `cells` makes a picture of 8 times that side."""

    places: Tensor

    def __init__(
        self, latents: int, semantic: int, key: int, step: int, cells: int, width: int
    ) -> None:
        """`latents` of `semantic` numbers; `key` and `step` channels of the spatial code."""
        super().__init__()
        self.cells, self.width = cells, width
        self.camera = CameraEmbedding(width)
        self.moment = nn.Linear(width, width)
        self.semantic = nn.Linear(semantic, width)
        self.ids = nn.Parameter(torch.randn(latents, width) * 0.5)
        self.spatial = Conv(key + step, width)
        self.norm = nn.LayerNorm(width)
        self.ask = Attention(width, width // 32)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width)
        narrow, narrower = width * 2 // 3, width // 3
        self.coarse = FilmResidual(width, width)
        self.up = nn.Conv2d(width, narrow * 4, 3, padding=1)
        self.middle = FilmResidual(narrow, width)
        self.up_again = nn.Conv2d(narrow, narrower * 4, 3, padding=1)
        self.last = nn.Conv2d(narrower, 4 * 4, 3, padding=1)
        self.register_buffer("places", grid_positions(cells, width), persistent=False)

    def forward(
        self, semantic: Tensor, key: Tensor, step: Tensor, condition: Tensor, seconds: Tensor
    ) -> Tensor:
        """One picture of each of N codes, rgb, 0..1 but not clipped: (N, 3, 8 cells, 8 cells).

        `semantic` (N, K, S), `key` (N, C, cells, cells), `step` (N, C', cells / 2, cells / 2) of
        the instant asked for, `condition` (N, width) of `self.camera`, `seconds` (N,) since the
        window's first step.
        """
        count, side = len(key), self.cells
        width = self.width
        condition = condition + self.moment(time_embedding(seconds, width)).float()
        fine = functional.interpolate(step, size=(side, side), mode="bilinear")
        place = self.spatial(torch.cat([key, fine], dim=1)).float()  # (N, width, cells, cells)
        cells = place.flatten(2).transpose(1, 2)
        told = self.semantic(semantic).float() + self.ids
        memory = self.norm(torch.cat([told, cells + self.places], dim=1))
        asking = cells + self.places + condition[:, None]
        x = asking + self.ask(self.norm(asking), memory).float()
        x = x + self.mlp(self.mlp_norm(x)).float()
        x = x.transpose(1, 2).reshape(count, width, side, side)
        x = self.coarse(x.contiguous(memory_format=torch.channels_last), condition)
        x = functional.silu(functional.pixel_shuffle(self.up(x), 2))
        x = self.middle(x, condition)
        x = functional.silu(functional.pixel_shuffle(self.up_again(x), 2))
        # The last layer is drawn small: before training the base is all there is.
        made: Tensor = functional.pixel_shuffle(self.last(x).float(), 2)
        detail, keep = made[:, :3], made[:, 3:]
        base = functional.interpolate(
            key[:, :3] + fine[:, :1], size=detail.shape[-2:], mode="bilinear"
        )
        view = PIXEL_VIEWS["rgb"]
        base = (view.middle + view.spread * base) / 255 - 0.5
        picture: Tensor = 0.5 + base * torch.sigmoid(KEEPS + keep) + detail
        return picture
