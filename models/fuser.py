"""Memory over time: a GRU over each latent and a convolutional GRU over the map of the place.

Tensors in, tensors out. Cells after Cho et al. 2014 (arXiv:1406.1078) and Ballas et al. 2016
(arXiv:1511.06432), written as step functions `(x, h, mask, dt) -> (y, h)`, which is what is
exported. Between steps a state fades with the real time that went by (Rubanova et al. 2019 call
it GRU-decay), and a step at which no camera saw anything adds nothing to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.convolutions import Conv

# A state that nothing renews has lost 63 % after this long, before training.
FADES_S = 2.0


class Cell(nn.Module):
    """What the two cells share: gates of input and state, a candidate, and fading."""

    def __init__(self, width: int, gates: nn.Module, candidate: nn.Module) -> None:
        super().__init__()
        self.width = width
        self.gates = gates
        self.candidate = candidate
        # softplus(rate) is 1 / seconds.
        self.rate = nn.Parameter(torch.full((width,), FADES_S).reciprocal().expm1().log())

    def _step(
        self, x: Tensor, h: Tensor, mask: Tensor, dt: Tensor, axis: int
    ) -> tuple[Tensor, Tensor]:
        """Channels lie on `axis` of x and h, the batch on 0. The state is fp32 throughout."""
        rate = functional.softplus(self.rate)
        like = [1] * x.ndim
        like[0], like[axis] = -1, self.width
        h = h * torch.exp(-dt[:, None] * rate).view(like)
        gates = torch.sigmoid(self.gates(torch.cat([x, h.to(x.dtype)], dim=axis)).float())
        update, reset = gates.chunk(2, dim=axis)
        told = self.candidate(torch.cat([x, (reset * h).to(x.dtype)], dim=axis)).float()
        update = update * mask.view([-1] + [1] * (x.ndim - 1))
        h = h + update * (torch.tanh(told) - h)
        return h, h


class LatentCell(Cell):
    """A gated recurrent unit, the same for each latent."""

    def __init__(self, width: int) -> None:
        super().__init__(width, nn.Linear(2 * width, 2 * width), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, h: Tensor, mask: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """x, h (B, K, width), mask (B,) bool, dt (B,) seconds -> y, h (B, K, width)."""
        return self._step(x, h, mask, dt, axis=2)


class MapCell(Cell):
    """The same with 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__(
            width,
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.Conv2d(2 * width, width, 3, padding=1),
        )

    def forward(self, x: Tensor, h: Tensor, mask: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """x, h (B, width, g, g), mask (B,) bool, dt (B,) seconds -> y, h (B, width, g, g)."""
        return self._step(x, h, mask, dt, axis=1)


class MapJoin(nn.Module):
    """The maps of V cameras -> one: each told whose it is, then the mean of those there are."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.film = nn.Linear(condition, 2 * channels)
        self.conv = Conv(channels, channels, size=1)

    def forward(self, maps: Tensor, camera: Tensor, present: Tensor) -> Tensor:
        """(B, V, T, C, g, g), (B, V, condition), (B, V, T) bool -> (B, T, C, g, g) fp32."""
        told = self.told(maps, camera).flatten(0, 2)
        told = self.conv(told).float().view(*present.shape, *maps.shape[3:])
        weight = present[..., None, None, None].float()
        mean: Tensor = (told * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return mean

    def told(self, maps: Tensor, camera: Tensor) -> Tensor:
        """Tell each map whose it is."""
        scale, shift = self.film(camera)[:, :, None, :, None, None].float().chunk(2, dim=3)
        told: Tensor = maps.float() * (1 + scale) + shift
        return told


class NoMemory(nn.Module):
    """In the place of `Fuser`: each step knows itself only."""

    def forward(
        self,
        latents: Tensor,
        maps: Tensor,
        mask: Tensor,  # noqa: ARG002  the fuser's call
        seconds: Tensor,  # noqa: ARG002
        *,
        causal: bool = True,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Return latents and maps as they are."""
        return latents, maps


class Fuser(nn.Module):
    """Latents and maps of T steps -> the same, each knowing the steps before it, or all."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.latent = LatentCell(width)
        self.map = MapCell(channels)

    def forward(
        self, latents: Tensor, maps: Tensor, mask: Tensor, seconds: Tensor, *, causal: bool = True
    ) -> tuple[Tensor, Tensor]:
        """(B, T, K, width), (B, T, C, g, g), mask (B, T) bool, seconds (B, T) -> the same two.

        Causal: a step knows nothing later. Else the mean of both directions, by the same cells.
        """
        forth = self._run(latents, maps, mask, seconds)
        if causal:
            return forth
        turned = (x.flip(1) for x in (latents, maps, mask, -seconds))
        back = (x.flip(1) for x in self._run(*turned))
        first, second = ((a + b) / 2 for a, b in zip(forth, back, strict=True))
        return first, second

    def _run(
        self, latents: Tensor, maps: Tensor, mask: Tensor, seconds: Tensor
    ) -> tuple[Tensor, Tensor]:
        h, m = torch.zeros_like(latents[:, 0]), torch.zeros_like(maps[:, 0])
        spent = torch.diff(seconds, dim=1, prepend=seconds[:, :1])
        heard, seen = [], []
        for t in range(latents.shape[1]):
            y, h = self.latent(latents[:, t], h, mask[:, t], spent[:, t])
            z, m = self.map(maps[:, t], m, mask[:, t], spent[:, t])
            heard.append(y)
            seen.append(z)
        return torch.stack(heard, dim=1), torch.stack(seen, dim=1)
