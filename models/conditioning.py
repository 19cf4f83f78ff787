"""Where and when: embeddings of places on a grid, of instants and of cameras, and attention.

Tensors in, tensors out. Sines and cosines after Vaswani et al. 2017 (arXiv:1706.03762).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CAMERA_VALUES = 12
# Periods of the time embedding: from two grid steps of 80 ms to a long clip.
SHORTEST_S, LONGEST_S = 0.16, 20.0
MOST_CAMERAS = 8


def grid_positions(side: int, width: int) -> Tensor:
    """Sin-cos embedding of the cells of a square grid: (side^2, width), rows first.

    Raises:
        ValueError: if width is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(f"width must be a multiple of 4, got {width}")
    # Positions are relative to the grid, so that another grid means the same places.
    at = (torch.arange(side) + 0.5) / side
    rates = 2 ** torch.linspace(0, 5, width // 4) * math.pi
    line = torch.cat([(at[:, None] * rates).sin(), (at[:, None] * rates).cos()], dim=1)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=2).reshape(side * side, width)


def time_embedding(seconds: Tensor, width: int) -> Tensor:
    """Sin-cos embedding of instants: (...) seconds -> (..., width) fp32."""
    periods = torch.logspace(
        math.log10(SHORTEST_S), math.log10(LONGEST_S), width // 2, device=seconds.device
    )
    angles = seconds.float()[..., None] * (2 * math.pi / periods)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class CameraEmbedding(nn.Module):
    """A camera by its 12-vector where it is calibrated, by a learned "unknown" where it is not.

    Cameras without calibration may be told apart by a slot: a label that the window gives each,
    which means nothing beyond "the same camera as in that query". Permuting cameras with their
    slots permutes nothing else.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(CAMERA_VALUES, 64), nn.SiLU(), nn.Linear(64, width))
        self.unknown = nn.Parameter(torch.randn(width) * 0.5)
        self.slots = nn.Embedding(MOST_CAMERAS, width)

    def forward(self, camera: Tensor, known: Tensor, slot: Tensor | None = None) -> Tensor:
        """(..., 12), (...) bool and (...) int64 in 0..7 or None -> (..., width)."""
        vector = torch.where(known[..., None], camera, 0).float()
        # Translations come in metres or millimetres: their logarithm is a thing to learn from.
        where = vector[..., 6:9]
        near = where.sign() * where.abs().log1p()
        vector = torch.cat([vector[..., :6], near, vector[..., 9:]], dim=-1)
        told = torch.where(known[..., None], self.inner(vector).float(), self.unknown)
        return told if slot is None else told + self.slots(slot)


class Attention(nn.Module):
    """Multi-head attention of queries to a memory, some of whose tokens may be absent."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, there: Tensor | None = None) -> Tensor:
        """(N, Q, width) and (N, M, width) -> (N, Q, width); `there` (N, M) bool, one at least."""
        count, asked, width = x.shape
        shape = (count, -1, self.heads, width // self.heads)
        query = self.query(x).view(shape).transpose(1, 2)
        key, value = (
            part.reshape(shape).transpose(1, 2) for part in self.key_value(memory).chunk(2, -1)
        )
        mask = None if there is None else there[:, None, None, :]
        y = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        answer: Tensor = self.out(y.transpose(1, 2).reshape(count, asked, width))
        return answer


class Mlp(nn.Sequential):
    """Two linear layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
