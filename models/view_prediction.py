"""A head of training: what a view that was taken away would have said of one camera at one step.

Tensors in, tensors out. Predicting masked views from those that are left (as MV2MAE does with
pixels) makes the latents hold what each view says; the head does not ship.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.conditioning import Attention, CameraEmbedding

if TYPE_CHECKING:
    from collections.abc import Mapping

# What is predicted is small: a view on a grid of so many cells a side.
CELLS = {"silhouette": 7, "flow": 7, "depth": 7, "appearance": 2}
WIDTHS = {"silhouette": 49, "flow": 98, "depth": 98, "appearance": 384, "skeleton": 264}


def summary(name: str, x: Tensor) -> Tensor:
    """Return what is predicted of a view: (N, *shape) -> (N, WIDTHS[name]), each row normalised.

    Rows have mean 0 and variance 1, as in MAE (He et al. 2022, arXiv:2111.06377): units differ.
    """
    flat = x.float()
    if name in CELLS:
        flat = functional.adaptive_avg_pool2d(flat, CELLS[name])
    flat = flat.flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-4).sqrt()


class ViewPredictor(nn.Module):
    """Latents of a step and a camera -> each view's summary."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.camera = CameraEmbedding(width)
        self.asks = nn.Parameter(torch.randn(len(WIDTHS), width) * 0.5)
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.last = nn.ModuleDict({name: nn.Linear(width, n) for name, n in WIDTHS.items()})

    def forward(self, latents: Tensor, camera: Tensor, known: Tensor, slot: Tensor) -> Tensor:
        """(N, K, width), (N, 12), (N,), (N,) -> what each view is told from: (N, views, width)."""
        asks = self.asks + self.camera(camera, known, slot)[:, None]
        return self.attention(asks, self.norm(latents))  # type: ignore[no-any-return]  # a module's call is untyped

    def loss(
        self, told: Tensor, truth: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> Tensor:
        """Mean over views of the smooth L1 distance where `masks[name]` (N,) is True; scalar.

        `truth` maps views to (N, *shape). 0 where nothing is to be predicted.
        """
        terms = []
        for k, (name, layer) in enumerate(self.last.items()):
            if name not in truth or not bool(masks[name].any()):
                continue
            rows = masks[name].nonzero()[:, 0]
            ours = layer(told[rows, k]).float()
            terms.append(functional.smooth_l1_loss(ours, summary(name, truth[name][rows])))
        return torch.stack(terms).mean() if terms else told.sum() * 0
