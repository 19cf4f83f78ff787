"""Monocular depth: inverse depth up to scale and shift, with how sure it is, from one picture.

Tensors in, tensors out. After MiDaS (Ranftl et al. 2020, arXiv:1907.01341) in what is learned:
one picture tells depth only up to an affine change of its inverse. The network is a small
encoder and decoder of dense 3x3 convolutions; batch norms fold into them where it runs frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator

# Confidence is trained as a logarithm; beyond these the exponential is of no use.
LOG_SCALE_RANGE = (-4.0, 2.0)


@dataclass(frozen=True)
class DepthConfig:
    """Sizes of the network: channels at strides 2, 4, 8 and 16; all multiples of 16.

    The default has 0.6 M parameters and 0.071 G multiply-adds a picture of 112 px: 1.4 ms in
    OpenVINO f32 on one Zen core, .8 in bf16; (32, 48, 96, 128) has 0.141 G and takes 2.6 in f32.
    """

    channels: tuple[int, int, int, int] = (16, 32, 64, 128)
    blocks: int = 1  # residual blocks at strides 4, 8 and 16
    side: int = 112  # px, of the picture; the answer has a quarter of it

    def __post_init__(self) -> None:
        """Refuse sizes that make no network.

        Raises:
            ValueError: naming the field.
        """
        # JSON has lists only.
        object.__setattr__(self, "channels", tuple(self.channels))
        if len(self.channels) != 4 or min(self.channels) < 1:
            raise ValueError(f"channels must be four positive numbers, got {self.channels}")
        if self.blocks < 0:
            raise ValueError(f"blocks must not be negative, got {self.blocks}")
        if self.side < 32 or self.side % 16:
            raise ValueError(f"side must be a multiple of 16 from 32 on, got {self.side}")

    @property
    def cells(self) -> int:
        """Side of the answer."""
        return self.side // 4


class Conv(nn.Module):
    """3x3 (or 1x1) convolution without bias, batch norm, ReLU unless `linear`."""

    def __init__(
        self, before: int, after: int, *, stride: int = 1, size: int = 3, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, h, w) -> (B, after, h / stride, w / stride)."""
        y: Tensor = self.norm(self.conv(x))
        return y if self.linear else functional.relu(y)


class Residual(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = Conv(width, width)
        self.two = Conv(width, width, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) -> the same."""
        return functional.relu(x + self.two(self.one(x)))


class DepthNet(nn.Module):
    """(B, 3, 112, 112) rgb 0..1 -> (B, 2, 28, 28): inverse depth and the log of its error."""

    def __init__(self, config: DepthConfig | None = None) -> None:
        super().__init__()
        self.config = config or DepthConfig()
        c2, c4, c8, c16 = self.config.channels
        self.stem = Conv(3, c2, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(
                Conv(before, after, stride=2),
                *(Residual(after) for _ in range(self.config.blocks)),
            )
            for before, after in ((c2, c4), (c4, c8), (c8, c16))
        )
        # What the whole picture shows, told to every cell.
        self.whole = nn.Linear(c16, c16)
        self.across = nn.ModuleList(Conv(a, b, size=1) for a, b in ((c16, c8), (c8, c4)))
        self.up = nn.ModuleList(Conv(width, width) for width in (c8, c4))
        self.last = nn.Conv2d(c4, 2, 3, padding=1)
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """He-normal everywhere; a block begins as its shortcut, the answer near zero."""
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        for part in self.modules():
            if isinstance(part, Residual):
                nn.init.zeros_(part.two.norm.weight)
        with torch.no_grad():
            self.last.weight.mul_(0.1)

    def forward(self, rgb: Tensor) -> Tensor:
        """(B, 3, side, side) in 0..1 -> (B, 2, side / 4, side / 4) in fp32.

        Channel 0 is inverse depth up to scale and shift, 1 the log of its expected absolute error
        in units of the picture's spread.

        Raises:
            ValueError: if the shape is another.
        """
        side = self.config.side
        if rgb.ndim != 4 or tuple(rgb.shape[1:]) != (3, side, side):
            raise ValueError(f"needs (B, 3, {side}, {side}), got {tuple(rgb.shape)}")
        return self.answer(rgb)

    def answer(self, rgb: Tensor) -> Tensor:
        """As `forward`, of a shape that is known to fit: what is traced asks no questions."""
        x = self.stem((rgb - 0.45) / 0.25)
        levels = []
        for stage in self.down:
            x = stage(x)
            levels.append(x)
        at4, at8, x = levels  # (B, c4, 28, 28), (B, c8, 14, 14), (B, c16, 7, 7)
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for across, up, skip in zip(self.across, self.up, (at8, at4), strict=True):
            x = functional.interpolate(across(x), scale_factor=2.0, mode="nearest")
            x = up(x + skip)
        inverse, log_scale = self.last(x).float().split(1, dim=1)
        return torch.cat([inverse, log_scale.clamp(*LOG_SCALE_RANGE)], dim=1)

    def serve(self, rgb: Tensor) -> Tensor:
        """As `forward`: what the registry's model service answers."""
        answer: Tensor = self(rgb)
        return answer


class FrozenDepth(nn.Module):
    """The network as the view runs it: uint8 in, inverse depth and confidence out."""

    def __init__(self, net: DepthNet) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, side, side, 3) uint8 -> (B, 1, c, c) inverse depth and confidence 0..1.

        Confidence is 1 / (1 + expected error), the error in units of the picture's spread.
        """
        answer = self.net.answer(frames.permute(0, 3, 1, 2).float() / 255)
        return answer[:, :1], 1 / (1 + answer[:, 1:].exp())


def multiply_adds(net: DepthNet) -> int:
    """Multiply-adds of the convolutions for one picture."""
    found = 0

    def count(part: nn.Module, _: object, answer: Tensor) -> None:
        nonlocal found
        if isinstance(part, nn.Conv2d):
            found += part.weight.numel() * int(answer.shape[-2] * answer.shape[-1])

    hooks = [part.register_forward_hook(count) for part in _convolutions(net)]
    with torch.no_grad():
        net(torch.zeros(1, 3, net.config.side, net.config.side))
    for hook in hooks:
        hook.remove()
    return found


def _convolutions(net: nn.Module) -> Iterator[nn.Conv2d]:
    return (part for part in net.modules() if isinstance(part, nn.Conv2d))
