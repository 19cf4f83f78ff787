"""Any number of cameras and tokens of a step -> K latents: a Transformer with a bottleneck.

Tensors in, tensors out. Learned latents ask the tokens, as in Perceiver (Jaegle et al. 2021,
arXiv:2103.03206) and MBT (Nagrani et al. 2021, arXiv:2107.00135): cost is linear in cameras,
and cameras are a set.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.conditioning import Attention, Mlp, grid_positions, time_embedding

TOKEN_SIDE = 4
AUDIO_VALUES, TEXT_VALUES = 64 * 4, 384


class Tokens(NamedTuple):
    """What the cameras and the session say, as the combiner reads it; masks True = present."""

    c4: Tensor  # (B, V, T, C, h, w)
    present: Tensor  # (B, V, T) bool
    skeleton: Tensor  # (B, V, T, width)
    mask_skeleton: Tensor  # (B, V, T) bool
    camera: Tensor  # (B, V, width): the cameras' embedding
    audio: Tensor  # (B, T, 64, 4)
    mask_audio: Tensor  # (B, T) bool
    text: Tensor  # (B, 384)
    mask_text: Tensor  # (B,) bool
    seconds: Tensor  # (B, T) since the window's first step


class Seats(NamedTuple):
    """What each camera says at each step, place by place, and whether it says it."""

    grid: Tensor  # (B, T, V, cells, width)
    skeleton: Tensor  # (B, T, V, width)
    here: Tensor  # (B, T, V) bool
    bodied: Tensor  # (B, T, V) bool: there is a skeleton


class Block(nn.Module):
    """Latents ask the tokens, then each other, then themselves; norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.cross = Attention(width, heads)
        self.own = Attention(width, heads)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
        """(N, K, width), (N, M, width), (N, M) bool -> (N, K, width)."""
        x = x + self.cross(self.norms[0](x), tokens, there)
        y = self.norms[1](x)
        x = x + self.own(y, y)
        return torch.add(x, self.mlp(self.norms[2](x)))


class Combiner(nn.Module):
    """Tokens of V cameras, sound and text -> (B, T, K, width), each step by itself."""

    def __init__(
        self, channels: int, cells: int, width: int, heads: int, latents: int, layers: int
    ) -> None:
        """`channels` and `cells` are those of C4."""
        super().__init__()
        self.width = width
        self.pool = -(-cells // TOKEN_SIDE)
        self.grid = nn.Linear(channels, width)
        self.audio = nn.Linear(AUDIO_VALUES, width)
        self.text = nn.Linear(TEXT_VALUES, width)
        # Kinds of token: grid, skeleton, audio, text.
        self.kinds = nn.Parameter(torch.randn(4, width) * 0.5)
        # Always there: attention to nothing is not a number.
        self.nothing = nn.Parameter(torch.randn(width) * 0.5)
        self.norm = nn.LayerNorm(width)
        self.latents = nn.Parameter(torch.randn(latents, width) * 0.5)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.last = nn.LayerNorm(width)
        # 4 x 4, but for sides that do not pool to it: 32 px has 2 x 2 cells, 96 px has 3 x 3.
        side = -(-cells // self.pool)
        self.register_buffer("places", grid_positions(side, width), persistent=False)

    def forward(self, said: Tokens) -> Tensor:
        """Return the latents, (B, T, K, width) fp32."""
        tokens, there = self.tokens(said)
        batch, steps, count, width = tokens.shape
        flat, known = tokens.view(-1, count, width), there.view(-1, count)
        x = self.latents.expand(batch * steps, -1, -1)
        for block in self.blocks:
            x = block(x, flat, known)
        return self.last(x.float()).view(batch, steps, -1, width)  # type: ignore[no-any-return]  # a module's call is untyped

    def tokens(self, said: Tokens) -> tuple[Tensor, Tensor]:
        """Return the tokens of each step, (B, T, M, width), and which are there, (B, T, M)."""
        batch, cameras, steps = said.present.shape
        here = said.present.transpose(1, 2)  # (B, T, V)
        when = time_embedding(said.seconds, self.width)[:, :, None]  # (B, T, 1, width)
        pooled = functional.avg_pool2d(said.c4.flatten(0, 2), self.pool, ceil_mode=True)
        cells = pooled.shape[-1] * pooled.shape[-2]
        grid = self.grid(pooled.flatten(2).transpose(1, 2)).float() + self.places
        grid = grid.view(batch, cameras, steps, cells, self.width)
        grid = grid + self.kinds[0] + said.camera[:, :, None, None]
        skeleton = said.skeleton.float() + self.kinds[1] + said.camera[:, :, None]
        audio = torch.where(said.mask_audio[..., None], said.audio.flatten(2), 0).float()
        text = torch.where(said.mask_text[..., None], said.text, 0).float()
        seen, known = self.over_cameras(
            Seats(
                grid.permute(0, 2, 1, 3, 4),
                skeleton.transpose(1, 2),
                here,
                here & said.mask_skeleton.transpose(1, 2),
            )
        )
        parts = [
            *seen,
            (self.audio(audio).float() + self.kinds[2])[:, :, None],
            (self.text(text).float() + self.kinds[3])[:, None, None].expand(-1, steps, -1, -1),
        ]
        nothing = self.nothing.expand(batch, steps, 1, -1)
        tokens = self.norm(torch.cat([torch.cat(parts, dim=2) + when, nothing], dim=2))
        there = torch.cat(
            [
                *known,
                said.mask_audio[:, :, None],
                said.mask_text[:, None, None].expand(-1, steps, -1),
                here.new_ones(batch, steps, 1),
            ],
            dim=2,
        )
        return tokens, there

    def over_cameras(self, said: Seats) -> tuple[list[Tensor], list[Tensor]]:
        """Return the tokens of all cameras, (B, T, M, width) in parts, and which are there.

        Here every camera keeps its own; fusions.py has other ways.
        """
        cells = said.grid.shape[3]
        there = said.here.repeat_interleave(cells, dim=2)
        return [said.grid.flatten(2, 3), said.skeleton], [there, said.bodied]
