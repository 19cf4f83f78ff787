"""Ways in which cameras become one: the rungs of the ablation ladder, and the one that is used.

Tensors in, tensors out. Each has the combiner's call and about its number of parameters (within
20 %, tested). All but `concat` take cameras as a set: what is concatenated has an order, that in
which they stand in the window (not that of their slots, which training draws by chance). Views of
one camera are joined in the extractor, by all of them alike.

| fusion | cameras meet |
|---|---|
| latents | in K learned latents that ask the tokens of all (combiner.py) |
| tokens | in self-attention over the tokens of all, from which K latents are pooled |
| mean | late: K latents of each alone, then their mean |
| sum | in a sum of their tokens, place by place |
| concat | early: side by side, place by place, zeros where none is, then a linear layer |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from models.combiner import Combiner, Seats, Tokens
from models.conditioning import MOST_CAMERAS, Attention, Mlp
from models.convolutions import Conv
from models.fuser import MapJoin

if TYPE_CHECKING:
    from models.distiller_config import Fusion


class TokenBlock(nn.Module):
    """Tokens ask each other, then themselves; norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.own = Attention(width, heads)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(N, M, width), (N, M) bool -> (N, M, width)."""
        y = self.norms[0](x)
        x = x + self.own(y, y, there)
        return torch.add(x, self.mlp(self.norms[1](x)))


class TokenAttention(Combiner):
    """No bottleneck: all tokens attend to all, K latents collect what came of it.

    Cost is quadratic in cameras. As many layers of attention as the combiner has: what its
    latents ask each other there, they ask the tokens here.
    """

    def __init__(
        self, channels: int, cells: int, width: int, heads: int, latents: int, layers: int
    ) -> None:
        """`channels` and `cells` are those of C4."""
        super().__init__(channels, cells, width, heads, latents, layers)
        self.blocks = nn.ModuleList(TokenBlock(width, heads) for _ in range(layers))
        self.pools = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))

    def forward(self, said: Tokens) -> Tensor:
        """Return the latents, (B, T, K, width) fp32."""
        tokens, there = self.tokens(said)
        batch, steps, count, width = tokens.shape
        flat, known = tokens.view(-1, count, width), there.view(-1, count)
        for block in self.blocks:
            flat = block(flat, known)
        x = self.latents.expand(batch * steps, -1, -1)
        for norm, pool in zip(self.norms, self.pools, strict=True):
            x = x + pool(norm(x), flat, known)
        return self.last(x.float()).view(batch, steps, -1, width)  # type: ignore[no-any-return]  # a module's call is untyped


class LateMean(Combiner):
    """The combiner on each camera alone, with the session's sound and text; then the mean."""

    def forward(self, said: Tokens) -> Tensor:
        """Return the latents, (B, T, K, width) fp32; zero where no camera is."""
        batch, cameras, steps = said.present.shape
        rows = said.present.flatten().nonzero()[:, 0]
        if not len(rows):
            rows = rows.new_zeros(1)
        window, camera, step = rows // (cameras * steps), rows // steps % cameras, rows % steps

        def alone(x: Tensor) -> Tensor:
            return x.flatten(0, 2)[rows][:, None, None]

        each = super().forward(
            Tokens(
                alone(said.c4),
                alone(said.present),
                alone(said.skeleton),
                alone(said.mask_skeleton),
                said.camera[window, camera][:, None],
                said.audio[window, step][:, None],
                said.mask_audio[window, step][:, None],
                said.text[window],
                said.mask_text[window],
                said.seconds[window, step][:, None],
            )
        )
        whole = each.new_zeros(said.present.numel(), *each.shape[2:])
        whole = whole.index_copy(0, rows, each[:, 0]).view(batch, cameras, steps, *each.shape[2:])
        weight = said.present[..., None, None].float()
        mean: Tensor = (whole * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return mean


class TokenSum(Combiner):
    """The latents ask one sum of tokens for each place: no camera is told from another."""

    def over_cameras(self, said: Seats) -> tuple[list[Tensor], list[Tensor]]:
        """Return (B, T, cells, width) and (B, T, 1, width), and where any camera is."""
        grid = torch.where(said.here[..., None, None], said.grid, 0).sum(dim=2)
        skeleton = torch.where(said.bodied[..., None], said.skeleton, 0).sum(dim=2, keepdim=True)
        there = said.here.any(dim=2, keepdim=True)
        return [grid, skeleton], [
            there.expand(-1, -1, grid.shape[2]),
            said.bodied.any(dim=2, keepdim=True),
        ]


class MapSum(MapJoin):
    """The sum of the cameras' maps."""

    def forward(self, maps: Tensor, camera: Tensor, present: Tensor) -> Tensor:
        """(B, V, T, C, g, g), (B, V, condition), (B, V, T) bool -> (B, T, C, g, g) fp32."""
        told = self.told(maps, camera).flatten(0, 2)
        told = self.conv(told).float().view(*present.shape, *maps.shape[3:])
        total: Tensor = (told * present[..., None, None, None]).sum(dim=1)
        return total


class TokenConcat(Combiner):
    """The latents ask what a linear layer made of all cameras' tokens of a place.

    A camera enters it with half the width: eight whole ones would be 22 % over the budget.
    """

    def __init__(
        self, channels: int, cells: int, width: int, heads: int, latents: int, layers: int
    ) -> None:
        """`channels` and `cells` are those of C4."""
        super().__init__(channels, cells, width, heads, latents, layers)
        self.narrow = nn.Linear(width, width // 2)
        self.joined = nn.Linear(MOST_CAMERAS * (width // 2), width)

    def over_cameras(self, said: Seats) -> tuple[list[Tensor], list[Tensor]]:
        """Return (B, T, cells, width) and (B, T, 1, width), and where any camera is."""
        grid = self.narrow(said.grid).float().masked_fill(~said.here[..., None, None], 0)
        body = self.narrow(said.skeleton).float().masked_fill(~said.bodied[..., None], 0)
        there = said.here.any(dim=2, keepdim=True)
        return [
            self.joined(_seated(grid).permute(0, 1, 3, 2, 4).flatten(3)).float(),
            self.joined(_seated(body).flatten(2)[:, :, None]).float(),
        ], [there.expand(-1, -1, grid.shape[3]), said.bodied.any(dim=2, keepdim=True)]


class MapConcat(MapJoin):
    """The cameras' maps side by side, zeros where none is, then one convolution of 1 x 1."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__(channels, condition)
        self.conv = Conv(MOST_CAMERAS * channels, channels, size=1)

    def forward(self, maps: Tensor, camera: Tensor, present: Tensor) -> Tensor:
        """(B, V, T, C, g, g), (B, V, condition), (B, V, T) bool -> (B, T, C, g, g) fp32."""
        told = self.told(maps, camera).masked_fill(~present[..., None, None, None], 0)
        beside = _seated(told.transpose(1, 2)).flatten(2, 3)  # (B, T, 8 C, g, g)
        joint: Tensor = self.conv(beside.flatten(0, 1)).float()
        return joint.view(*beside.shape[:2], *joint.shape[1:])


def _seated(x: Tensor) -> Tensor:
    """Give V cameras (B, T, V, ...) eight places: (B, T, 8, ...), zeros where none is."""
    lacking = MOST_CAMERAS - x.shape[2]
    if lacking < 0:
        raise ValueError(f"at most {MOST_CAMERAS} cameras are concatenated, got {x.shape[2]}")
    return torch.cat([x, x.new_zeros(*x.shape[:2], lacking, *x.shape[3:])], dim=2)


class Parts(NamedTuple):
    """What a way of fusing is made of: it combines tokens to latents, and joins maps."""

    combiner: type[Combiner]
    join: type[MapJoin]


FUSIONS: dict[Fusion, Parts] = {
    "latents": Parts(Combiner, MapJoin),
    "tokens": Parts(TokenAttention, MapJoin),
    # Maps of today are a late mean already: each told whose it is, convolved, then the mean.
    "mean": Parts(LateMean, MapJoin),
    "sum": Parts(TokenSum, MapSum),
    "concat": Parts(TokenConcat, MapConcat),
}
