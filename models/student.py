"""The student: pictures of one camera, step after step -> embeddings in the space of its teacher.

Tensors in, tensors out. It sees rgb alone and keeps one small state, so it runs where the distiller
does not. Dense 3x3 convolutions with batch norms, which fold into them where it is exported; memory
is the cell of models/fuser.py, whose step `(x, h, mask, dt) -> (y, h)` is what leaves the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.depth import Conv, Residual
from models.fuser import LatentCell

if TYPE_CHECKING:
    from collections.abc import Mapping

    Windows = Mapping[str, Tensor]

# What pictures are like, 0..255: as the distiller's extractor takes them.
MIDDLE, SPREAD = 115.0, 64.0


@dataclass(frozen=True)
class StudentConfig:
    """Sizes of the network; multiples of 16 channels, which neither bf16 nor int8 kernels pad.

    The default has 0.73 M parameters and 0.32 GFLOP a picture of 112 px.
    """

    side: int = 112  # px of the picture
    channels: tuple[int, int, int, int] = (32, 48, 96, 112)  # at strides 2, 4, 8, 16
    blocks: int = 1  # residual blocks a level
    state: int = 128  # numbers that are kept from step to step
    embedding: int = 128  # as the teacher's

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
        if min(self.state, self.embedding) < 1:
            raise ValueError(f"state, embedding must be positive: {self.state}, {self.embedding}")

    @property
    def views(self) -> tuple[str, ...]:
        """The tensors of a window that are looked at."""
        return ("rgb",)


PRESETS: dict[str, StudentConfig] = {
    # 64 px as the teacher of preset ci sees them: .10 GFLOP a picture.
    "ci": StudentConfig(side=64),
    "laptop": StudentConfig(),
}


class StudentCode(NamedTuple):
    """What the student says of B windows of V cameras and T steps; zero where nothing was seen."""

    embedding: Tensor  # (B, E): the window's, of length 1
    steps: Tensor  # (B, T, E): of each step, over the cameras that have seen something, of length 1
    each: Tensor  # (B, V, T, E): of each camera by itself, of length 1
    maps: Tensor  # (N, C, side / 16, side / 16) of the N pictures there, in order B, V, T
    there: Tensor  # (B, V, T) bool: those pictures
    present: Tensor  # (B, T) bool: some camera saw something at this step


class Student(nn.Module):
    """See the module. Cameras of a window are a set; each streams by itself, then all are averaged.

    That is the late mean over cameras, which no other fusion has beaten (infra/decisions/0017).
    """

    def __init__(self, config: StudentConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or StudentConfig()
        self.stem = Conv(3, c.channels[0], stride=2)
        self.down = nn.ModuleList(Conv(a, b, stride=2) for a, b in pairwise(c.channels))
        self.trunk = nn.ModuleList(
            nn.Sequential(*(Residual(width) for _ in range(c.blocks))) for width in c.channels
        )
        self.told = nn.Linear(c.channels[3], c.state)
        self.cell = LatentCell(c.state)
        # Without a bias: of a state that has seen nothing, zeros, the embedding is zeros too.
        self.last = nn.Linear(c.state, c.embedding, bias=False)
        self.init_weights()
        # As weights.load lays them out, so that a model answers alike as trained and as loaded.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # absent from torch's stub

    def init_weights(self) -> None:
        """Draw every weight; torch's own seed is the randomness. Blocks begin near shortcuts."""
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            elif isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=part.in_features**-0.5)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        for part in self.modules():
            if isinstance(part, Residual):
                nn.init.constant_(part.two.norm.weight, 0.2)

    def step(self, x: Tensor, h: Tensor, mask: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """One picture a camera: x (B, 3, side, side) in 0..255, h (B, state), mask (B,) bool.

        dt (B,) is the seconds since the step before, 0 at the first, whose h is zeros. -> y (B,
        embedding) of length 1, zeros as long as nothing was seen, and h. Where mask is False x may
        be anything: the state fades and learns nothing.
        """
        return self._remembered(self._look(x).mean(dim=(2, 3)), h, mask, dt)

    def encode(self, windows: Windows, cameras: Tensor | None = None) -> StudentCode:
        """Windows as tasks/windows/reader.py reads them -> what `step` says, picture after picture.

        Of a window `rgb` (B, V, T, 3, h, w), `mask_rgb` and `t_ns` (B, V, T) are looked at, nothing
        else. `cameras` (B, V) bool says which cameras may be used.
        """
        there = windows["mask_rgb"]
        if cameras is not None:
            there = there & cameras[..., None]
        batch, count, length = there.shape
        # What is not there costs nothing, and has no part in the statistics of batch norms.
        rows = there.flatten().nonzero()[:, 0]
        if not len(rows):
            rows = rows.new_zeros(1)
        maps = self._look(self.fitted(windows["rgb"].flatten(0, 2)[rows]))
        pooled = maps.float().mean(dim=(2, 3))
        seen = pooled.new_zeros(there.numel(), pooled.shape[1]).index_copy(0, rows, pooled)
        seen = seen.reshape(batch * count, length, -1)
        mask = there.reshape(batch * count, length)
        spent = _spent(windows["t_ns"], there).reshape(batch * count, length)
        h = seen.new_zeros(batch * count, self.config.state)
        found = []
        for t in range(length):
            y, h = self._remembered(seen[:, t], h, mask[:, t], spent[:, t])
            found.append(y)
        each = torch.stack(found, dim=1).view(batch, count, length, -1)
        # A camera goes on saying what it saw last; at a step without any picture nobody is asked.
        present = there.any(dim=1)
        steps = each.sum(dim=1) * present[..., None]
        return StudentCode(
            unit(steps.sum(dim=1)),
            unit(steps),
            each,
            maps,
            there,
            present,
        )

    def fitted(self, rgb: Tensor) -> Tensor:
        """Pictures (N, 3, h, w) of any size in 0..255 -> (N, 3, side, side), as `step` has them."""
        side = self.config.side
        x = rgb.float()
        if x.shape[-2:] != (side, side):
            x = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        return x

    def serve(self, rgb: Tensor) -> Tensor:
        """(B, V, T, 3, h, w) in 0..255, 80 ms apart -> embeddings (B, embedding).

        What the registry's model service answers: every picture there.
        """
        there = rgb.new_ones(rgb.shape[:3], dtype=torch.bool)
        t_ns = (torch.arange(rgb.shape[2], device=rgb.device) * 80_000_000).expand(rgb.shape[:3])
        return self.encode({"rgb": rgb, "mask_rgb": there, "t_ns": t_ns}).embedding

    def _look(self, x: Tensor) -> Tensor:
        """(N, 3, side, side) in 0..255 -> (N, C, side / 16, side / 16)."""
        x = (x.float() - MIDDLE) / SPREAD
        x = self.trunk[0](self.stem(x))
        for down, trunk in zip(self.down, self.trunk[1:], strict=True):
            x = trunk(down(x))
        return x

    def _remembered(
        self, seen: Tensor, h: Tensor, mask: Tensor, dt: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pooled features (B, C) into the state (B, state); both fp32."""
        x = self.told(seen.float())
        # Not by the cell's gate alone: what lies under a False mask may be no number at all.
        x = torch.where(mask[:, None], x, torch.zeros_like(x))
        _, state = self.cell(x[:, None], h[:, None], mask, dt)
        h = state[:, 0]
        return unit(self.last(h).float()), h


class StudentStep(nn.Module):
    """`Student.step` as a module: what is exported."""

    def __init__(self, net: Student) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, x: Tensor, h: Tensor, mask: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """See `Student.step`."""
        return self.net.step(x, h, mask, dt)


def unit(x: Tensor) -> Tensor:
    """Vectors (..., E) of length 1; zeros stay zeros."""
    return functional.normalize(x, dim=-1, eps=1e-6)


def _spent(t_ns: Tensor, there: Tensor) -> Tensor:
    """Seconds (B, V, T) since the step before; 0 at the first, and of what was only filled up."""
    clock = torch.where(there.any(dim=2, keepdim=True), t_ns, 0)
    return torch.diff(clock, dim=2, prepend=clock[..., :1]).double().mul(1e-9).float()
