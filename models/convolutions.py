"""Dense 3x3 blocks that the distiller is made of: convolution, group norm, SiLU, a shortcut.

Tensors in, tensors out. No depthwise convolutions: dense ones are what CPUs compute fast in bf16
(infra/decisions/0004). Group norm looks at one picture only, so what is beside it in a batch, and
whether it trains, changes nothing.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

# Torch's kernel is slow where a group has few channels, in channels last (forward and backward of
# 32 maps in bf16, one Zen core): 8 groups of 4 at 56 x 56 24.6 ms, 2 of 16 3.1 ms; of 64 channels
# at 28 x 28 12.8 and 1.1 ms. The convolution there takes about 3.
GROUPS = 2


class Conv(nn.Module):
    """Convolution without bias, group norm, SiLU unless `linear`."""

    def __init__(
        self, before: int, after: int, *, stride: int = 1, size: int = 3, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
        self.norm = nn.GroupNorm(GROUPS, after)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, h, w) -> (N, after, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.norm(self.conv(x))
        return y if self.linear else functional.silu(y)


class Residual(nn.Module):
    """`depth` convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, width: int, depth: int = 2) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *(Conv(width, width, linear=k == depth - 1) for k in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, h, w) -> the same."""
        return functional.silu(x + self.inner(x))


class FilmResidual(nn.Module):
    """Two convolutions beside a shortcut, scaled and shifted by a condition (Perez et al. 2018)."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.one = Conv(width, width, linear=True)
        self.two = Conv(width, width, linear=True)
        self.film = nn.Linear(condition, 2 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, width, h, w) and (N, condition) -> (N, width, h, w)."""
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        y = functional.silu(self.one(x) * (1 + scale) + shift)
        return functional.silu(x + self.two(y))


def init_layers(module: nn.Module) -> None:
    """Draw every weight of a module: He-normal convolutions, linear layers by 1 / sqrt(n).

    Torch's own seed is the randomness.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        elif isinstance(part, nn.Linear):
            # Attention and FiLM begin neither silent nor saturated.
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, std=0.5)
        if isinstance(part, nn.Conv2d | nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
