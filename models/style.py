"""Style transfer in one pass, any number of styles: conditional instance normalisation.

Tensors in, tensors out. Dumoulin et al. 2017 (arXiv:1610.07629): a style is a scale and a shift of
each normalised channel and the convolutions are shared. Here both follow linearly from a style's
code, as in Ghiasi et al. 2017 (arXiv:1705.06830), so that a picture's code is a style too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.precision import autocast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.precision import Precision

# Numbers in a picture's code, as Magenta's predictor gives them.
CODE = 100
# Of pixels at the input: two octaves, the first of them folded into channels.
STRIDE = 4
EPSILON = 1e-5


@dataclass(frozen=True)
class StyleConfig:
    """Sizes of the network and the names of its own styles.

    The default has 0.47 M parameters and 1.7 GFLOP at 224 px.
    """

    names: tuple[str, ...] = ("plain",)
    width: int = 32  # channels at half the size; twice as many at a quarter
    blocks: int = 4  # residual, at a quarter of the size
    code: int = CODE

    def __post_init__(self) -> None:
        """Refuse sizes that make no network; JSON has lists where this has tuples.

        Raises:
            ValueError: naming the field.
        """
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"names must be different and at least one, got {self.names}")
        if min(self.width, self.blocks, self.code) < 1:
            raise ValueError(f"sizes must be positive: {self.width}, {self.blocks}, {self.code}")


class StyledConv(nn.Module):
    """A 3x3 convolution whose result is normalised, then scaled and shifted as the style says."""

    def __init__(self, c_in: int, c_out: int, code: int, stride: int = 1) -> None:
        super().__init__()
        # Zeros at the edge: mirroring it took a third of the network's time, and training has
        # edges enough to learn what to do there.
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.style = nn.Linear(code, 2 * c_out)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, c_in, h, w), (B, code) -> (B, c_out, h / stride, w / stride)."""
        y: Tensor = self.conv(x)
        # Statistics in fp32: bf16 sums of 12,544 pixels have two digits. Means of the values and
        # of their squares over (B, h w, c_out): a sixth of the time of torch.var_mean.
        values = y.float().permute(0, 2, 3, 1).flatten(1, 2)
        mean = values.mean(dim=1)
        variance = ((values * values).mean(dim=1) - mean * mean).clamp(min=0)
        with torch.autocast("cpu", enabled=False):
            scale, shift = self.style(code.float()).chunk(2, dim=1)
        scale = (1 + scale) * torch.rsqrt(variance + EPSILON)
        shift = shift - mean * scale
        return torch.addcmul(
            shift.to(y.dtype)[..., None, None], y, scale.to(y.dtype)[..., None, None]
        )


class StyleNet(nn.Module):
    """Paints pictures in a style: its own ones by name, others by their code. Colours are 0..1."""

    def __init__(self, config: StyleConfig | None = None) -> None:
        super().__init__()
        self.config = config or StyleConfig()
        half, code = self.config.width, self.config.code
        full = 2 * half
        self.codes = nn.Parameter(torch.zeros(len(self.config.names), code))
        self.stem = StyledConv(12, half, code)
        self.down = StyledConv(half, full, code, stride=2)
        inner = [StyledConv(full, full, code) for _ in range(2 * self.config.blocks)]
        self.inner = nn.ModuleList(inner)
        self.up = StyledConv(full, half, code)
        self.last = nn.Conv2d(half, 12, 3, padding=1)
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """He-normal convolutions; styles start as a small departure from plain normalisation."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.Linear):
                # A hundred numbers of a standard deviation of about 1: scales start at 1 +- .2.
                nn.init.normal_(module.weight, std=0.02, generator=generator)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.codes, generator=generator)
        # Its sum of 9 x 32 products is the sigmoid's argument: near grey at the start.
        nn.init.normal_(self.last.weight, std=0.02, generator=generator)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def code_of(self, name: str) -> Tensor:
        """Return the code (code,) of one of the network's own styles.

        Raises:
            KeyError: it has no style of that name.
        """
        if name not in self.config.names:
            raise KeyError(name)
        return self.codes[self.config.names.index(name)]

    def forward(self, rgb: Tensor, code: Tensor) -> Tensor:
        """(B, 3, H, W) in 0..1, (B, code) -> (B, 3, H, W) in 0..1, fp32; H and W at least 8.

        Raises:
            ValueError: if the shapes are others.
        """
        if rgb.ndim != 4 or rgb.shape[1] != 3 or min(rgb.shape[2:]) < 2 * STRIDE:
            raise ValueError(f"needs (B, 3, H >= 8, W >= 8), got {tuple(rgb.shape)}")
        if code.shape != (rgb.shape[0], self.config.code):
            raise ValueError(f"needs a code (B, {self.config.code}), got {tuple(code.shape)}")
        height, width = rgb.shape[2:]
        x = functional.pad(rgb, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        x = functional.pixel_unshuffle(x - 0.5, 2).contiguous(memory_format=torch.channels_last)
        x = functional.relu(self.stem(x, code))  # (B, width, H/2, W/2)
        x = functional.relu(self.down(x, code))  # (B, 2 width, H/4, W/4)
        for first, second in zip(self.inner[::2], self.inner[1::2], strict=True):
            x = x + second(functional.relu(first(x, code)), code)
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
        x = functional.relu(self.up(x, code))  # (B, width, H/2, W/2)
        painted = torch.sigmoid(functional.pixel_shuffle(self.last(x).float(), 2))
        return painted[..., :height, :width]

    def serve(self, rgb: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> the same in the network's first style: what the registry answers."""
        flat = rgb.flatten(0, 1)
        painted: Tensor = self(flat, self.codes[:1].expand(len(flat), -1))
        return painted.reshape(rgb.shape)

    @torch.no_grad()
    def stream(
        self, frames: Iterable[Tensor], code: Tensor, *, precision: Precision = "fp32"
    ) -> Iterator[Tensor]:
        """Frames (3, H, W) in, painted frames out, each by itself, in constant memory."""
        for frame in frames:
            with autocast(precision):
                painted = self(frame[None], code[None])
            yield painted[0]
