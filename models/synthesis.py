"""One picture out of several that show the same: weights for each pixel, a blend, a correction.

Tensors in, tensors out. Sources are a set: any number, in any order, each through the same
convolutions (Deep Sets, Zaheer et al. 2017, arXiv:1703.06114; for bursts of photographs Aittala
and Durand 2018). Every source's error is estimated, and the result's too, so that whoever asks can
keep the best source where fusing would harm. Untrained the network *is* the mean of the sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable

SLOPE = 0.1
# Pixels are folded 2 x 2 into channels: a quarter of the work at twice the reach.
FOLD = 2
# Mean square errors below this are all the same: .2 grey levels.
LEAST_ERROR = 1e-6
# What a network is for: copies of one moment, the moment between two, a camera that is missing.
TASKS = ("fuse", "rate", "view")


@dataclass(frozen=True)
class SynthesisConfig:
    """Sizes of each of the three networks. The default has 122,738 weights and biases a network."""

    width: int = 32  # channels between the convolutions
    blocks: int = 2  # residual blocks after the sources are one

    def __post_init__(self) -> None:
        """Refuse sizes that make no network.

        Raises:
            ValueError: naming the field.
        """
        if self.width < 1 or self.blocks < 0:
            raise ValueError(f"width {self.width}, blocks {self.blocks}")


class Fused(NamedTuple):
    """A picture (B, 3, H, W), the blend that it corrects, and errors in decibels.

    `source_db` (B, N) and `db` (B,) are estimates of -PSNR: lower is better. `weights` are
    (B, N, 1, H, W) and sum to one.
    """

    picture: Tensor
    blend: Tensor
    weights: Tensor
    source_db: Tensor
    db: Tensor


class Fusion(nn.Module):
    """Fuses N aligned pictures of rgb 0..1, each with the trust that it has in each pixel, 0..1.

    Trust is 1 where a source shows the wanted moment, 0 where it shows nothing, and between where
    it shows something near it.
    """

    def __init__(self, config: SynthesisConfig) -> None:
        super().__init__()
        width, cell = config.width, FOLD**2
        # What a source shows, how far that is from the middle of all, and its trust.
        self.enter = nn.Conv2d(7 * cell, width, 3, padding=1)
        self.own = nn.Conv2d(width, width, 3, padding=1)
        self.among = nn.Conv2d(width, width, 3, padding=1)
        self.others = nn.Conv2d(2 * width, width, 3, padding=1)
        self.score = nn.Conv2d(width, cell, 3, padding=1)
        self.source_error = _Error(2 * width)
        self.join = nn.Conv2d(2 * width + 3 * cell, width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.blocks))
        self.detail = nn.Conv2d(width, 3 * cell, 3, padding=1)
        self.error = _Error(width)

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """He-normal, zero where weights, detail and errors are written: the start is the mean."""
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and conv.bias is not None:
                nn.init.kaiming_normal_(conv.weight, SLOPE, generator=generator)
                nn.init.zeros_(conv.bias)
        for conv in (self.score, self.detail, self.source_error.last, self.error.last):
            nn.init.zeros_(conv.weight)

    def forward(self, sources: Tensor, trust: Tensor) -> Fused:
        """(B, N, 3, H, W) and (B, N, 1, H, W), H and W even -> `Fused`.

        Where nothing is trusted all sources are.

        Raises:
            ValueError: the shapes are others.
        """
        b, n, _, height, width = sources.shape
        if trust.shape != (b, n, 1, height, width) or height % FOLD or width % FOLD or n < 1:
            raise ValueError(f"sources {tuple(sources.shape)} with trust {tuple(trust.shape)}")
        sources = sources.float()
        trust = torch.where(trust.amax(dim=1, keepdim=True) > 0, trust.float(), 1.0)
        middle = trusted_median(sources, trust)
        seen = torch.cat([4 * (sources - 0.5), 10 * (sources - middle[:, None]), trust], dim=2)
        # Differences are enlarged: in units of white noise of a tenth was not learned from.
        # (B N, 28, H/2, W/2)
        x = _lasting(functional.pixel_unshuffle(seen.flatten(0, 1), FOLD))
        x = _active(self.own(_active(self.enter(x))))
        held = functional.avg_pool2d(trust.flatten(0, 1), FOLD).view(b, n, 1, *x.shape[-2:])
        known = x.view(b, n, *x.shape[1:])
        share = held / held.sum(dim=1, keepdim=True)
        mean = (known * share).sum(dim=1)
        most = torch.where(held > 0, known.float(), -math.inf).amax(dim=1)
        among = self.others(_lasting(torch.cat([mean, most], dim=1).to(x.dtype)))
        x = _active(self.among(x).view(b, n, *among.shape[1:]) + among[:, None]).flatten(0, 1)
        # (B N, 1, H, W): log precision, to which trust is the prior.
        score = functional.pixel_shuffle(self.score(x).float(), FOLD).view(trust.shape)
        weights = (score + trust.clamp_min(1e-6).log()).masked_fill(trust <= 0, -1e4).softmax(dim=1)
        blend = (weights * sources).sum(dim=1)
        fine = functional.avg_pool2d(weights.flatten(0, 1), FOLD).view(held.shape)
        known = x.view(b, n, *x.shape[1:])
        pooled = [(known * fine).sum(dim=1), most]
        folded = functional.pixel_unshuffle(4 * (blend - 0.5), FOLD)
        y = _active(self.join(_lasting(torch.cat([*pooled, folded], dim=1))))
        for block in self.blocks:
            y = block(y)
        picture = blend + functional.pixel_shuffle(self.detail(y).float(), FOLD)
        # What is estimated may not bend what is made: features are taken as they are.
        beside = known.mean(dim=1, keepdim=True).expand_as(known).flatten(0, 1)
        source_db = _decibels(self.source_error(_lasting(torch.cat([x, beside], dim=1).detach())))
        return Fused(
            picture, blend, weights, source_db.view(b, n), _decibels(self.error(y.detach()))
        )


class Synthesis(nn.Module):
    """A network for each of `TASKS`, of the same build: they are trained and shipped together."""

    def __init__(self, config: SynthesisConfig | None = None) -> None:
        super().__init__()
        self.config = config or SynthesisConfig()
        self.networks = nn.ModuleDict({task: Fusion(self.config) for task in TASKS})
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw every network."""
        for network in self.networks.values():
            network.init_weights(generator)  # type: ignore[operator]  # it is a Fusion

    def forward(self, sources: Tensor, trust: Tensor, task: str = "fuse") -> Fused:
        """Fuse as `Fusion` does, by the network of a task."""
        return self.networks[task](sources, trust)  # type: ignore[no-any-return]  # untyped call

    def serve(self, x: Tensor) -> Tensor:
        """(B, N, 4, H, W), rgb and trust -> (B, 3, H, W) in 0..1, guarded: what a service answers.

        Odd sides are filled up to even ones and cut again.
        """
        down, across = (side % FOLD for side in x.shape[-2:])
        if down or across:
            flat = functional.pad(x.flatten(0, 1), (0, across, 0, down), mode="replicate")
            x = flat.view(*x.shape[:2], *flat.shape[1:])
        fused = self(x[:, :, :3], x[:, :, 3:])
        picture, _ = guarded(fused, x[:, :, :3])
        return picture[..., : x.shape[-2] - down, : x.shape[-1] - across]


def guarded(fused: Fused, sources: Tensor, margin_db: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return pictures (B, 3, H, W) in 0..1, and which are fused, (B,) bool; the rest are a source.

    The source with the least estimated error is kept where the estimate of the result is not lower
    by more than `margin_db`.
    """
    best, which = fused.source_db.min(dim=1)
    better = fused.db < best - margin_db
    single = sources[torch.arange(len(which)), which].float()
    picture = torch.where(better[:, None, None, None], fused.picture, single)
    return picture.clamp(0, 1), better


def error_db(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean square error in decibels, (..., 3, H, W) -> (...): the negative of PSNR over rgb."""
    square = (ours.float() - truth.float()).square().mean(dim=(-3, -2, -1))
    return 10 * torch.log10(square.clamp_min(LEAST_ERROR))


def trusted_median(sources: Tensor, trust: Tensor) -> Tensor:
    """Median over the sources that are trusted, pixel by pixel: (B, N, 3, H, W) -> (B, 3, H, W).

    The middle two are averaged; something must be trusted everywhere.
    """
    count = (trust > 0).sum(dim=1)  # (B, 1, H, W)
    ordered = torch.where(trust > 0, sources, math.inf).sort(dim=1).values
    places = torch.stack([(count - 1) // 2, count // 2], dim=1)  # (B, 2, 1, H, W)
    return ordered.gather(1, places.expand(-1, -1, 3, -1, -1)).mean(dim=1)


def parameter_count(config: SynthesisConfig) -> int:
    """Weights and biases of all networks."""
    return sum(p.numel() for p in Synthesis(config).parameters())


class _Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same."""
        return x + self.two(_active(self.one(x)))  # type: ignore[no-any-return]  # untyped call


class _Error(nn.Module):
    """A map of the error that a picture has, from its features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, 1, h, w)."""
        return self.last(_active(self.first(x)))  # type: ignore[no-any-return]  # untyped call


def _active(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def _lasting(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _decibels(maps: Tensor) -> Tensor:
    """Maps of log10 square error / 3 around 1e-3 -> the decibels of their mean square, (N,)."""
    square = torch.pow(10.0, (3 * maps.float() - 3).clamp(-8, 1)).mean(dim=(-3, -2, -1))
    return 10 * torch.log10(square)


def stacked(parts: Iterable[Tensor]) -> Tensor:
    """Stack (3, H, W) or (1, H, W) parts of one moment: (1, N, C, H, W)."""
    return torch.stack(list(parts))[None]
