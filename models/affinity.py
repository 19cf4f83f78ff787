"""Labels carried from some pictures to another by the affinity of their features.

Tensors in, tensors out. Each cell of the query takes the labels of its k most similar cells of the
context, weighted by a softmax of their cosines: the label propagation of "Space-Time Correspondence
as a Contrastive Random Walk" (Jabri et al., NeurIPS 2020) and of DINO (Caron et al., ICCV 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def carried(
    context: Tensor,
    labels: Tensor,
    query: Tensor,
    *,
    top_k: int = 5,
    temperature: float = 0.07,
    radius: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the labels (h, w) of a query and how similar it is (h, w) to what it took them from.

    `context` (N, C, h, w) and `query` (C, h, w) are features, `labels` (N, h, w) in 0..1; `radius`,
    in cells, keeps a cell to context cells that are near it (None: anywhere, and then the context
    may be of another size). The similarity is the highest cosine, -1..1.

    Raises:
        ValueError: shapes differ, or there is no context.
    """
    count, channels, height, width = context.shape
    if not count or labels.shape != (count, height, width) or query.shape[0] != channels:
        raise ValueError(
            f"context {tuple(context.shape)}, labels {tuple(labels.shape)}, "
            f"query {tuple(query.shape)}"
        )
    if radius is not None and query.shape[1:] != (height, width):
        raise ValueError("cells are near each other only in pictures of one size")
    keys = functional.normalize(context.float(), dim=1).permute(1, 0, 2, 3).reshape(channels, -1)
    asked = functional.normalize(query.float(), dim=0).flatten(1)  # (C, q)
    cosines = asked.T @ keys  # (q, N h w)
    if radius is not None:
        cosines = cosines.masked_fill(~_near(height, width, radius).repeat(1, count), -2.0)
    best, index = cosines.topk(min(top_k, cosines.shape[1]), dim=1)
    weights = ((best - best[:, :1]) / temperature).exp()
    weights = weights.masked_fill(best < -1.5, 0.0)
    taken = (weights * labels.flatten()[index]).sum(dim=1) / weights.sum(dim=1)
    shape = query.shape[1:]
    return taken.view(shape), best[:, 0].view(shape)


def _near(height: int, width: int, radius: int) -> Tensor:
    """Return (h w, h w) bool: which cells are at most `radius` rows and columns apart."""
    row = torch.arange(height).repeat_interleave(width)
    column = torch.arange(width).repeat(height)
    rows = (row[:, None] - row[None, :]).abs() <= radius
    return rows & ((column[:, None] - column[None, :]).abs() <= radius)
