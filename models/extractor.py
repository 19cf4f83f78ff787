"""One camera-frame through every view that is there: a feature pyramid and a skeleton token.

Tensors in, tensors out. Each pixel-aligned view has a stem and enters the trunk at the stride of
its own grid: nothing is enlarged to be convolved. There it is averaged with what the trunk
already knows, by a gate per pixel; what is absent has no part in the mean, and a learned embedding
says which views had. Top-down path after Lin et al. 2017 (arXiv:1612.03144).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.convolutions import GROUPS, Conv, Residual

if TYPE_CHECKING:
    from collections.abc import Mapping


class PixelView(NamedTuple):
    """A pixel-aligned view: channels, the trunk's level it enters at, and how it is normalised."""

    channels: int
    level: int
    middle: float = 0.0
    spread: float = 1.0


# Levels 0..3 have strides 2, 4, 8, 16. Names, shapes and units are those of
# tasks/windows/tensors.py: at 112 px the grids are 56, 28, 14 and 7 cells wide.
PIXEL_VIEWS: dict[str, PixelView] = {
    "rgb": PixelView(3, 0, middle=115.0, spread=64.0),  # uint8
    "silhouette": PixelView(1, 0),
    "flow": PixelView(2, 1, spread=5.0),  # px a step, clipped at 20
    "depth": PixelView(2, 1),
    "appearance": PixelView(96, 2),
}
SKELETON = "skeleton"
PERSONS, JOINTS, JOINT_VALUES = 2, 33, 4
FRAME_VIEWS = (*PIXEL_VIEWS, SKELETON)


class Pyramid(NamedTuple):
    """What the extractor says of N camera-frames."""

    p2: Tensor  # (N, pyramid, side / 4, side / 4)
    p3: Tensor  # (N, pyramid, side / 8, side / 8)
    c4: Tensor  # (N, channels[3], side / 16, side / 16)
    skeleton: Tensor  # (N, width), zero where there is none


class Extractor(nn.Module):
    """Views of camera-frames -> a pyramid; shared by all cameras and steps."""

    def __init__(
        self, channels: tuple[int, int, int, int], blocks: int, pyramid: int, width: int, side: int
    ) -> None:
        """`width` is that of the skeleton's token, `side` that of the picture in px."""
        super().__init__()
        self.side, self.width = side, width
        self.channels = channels
        self.stems = nn.ModuleDict(
            {
                name: Conv(
                    view.channels,
                    channels[view.level],
                    stride=2 if name == "rgb" else 1,
                    # Appearance is a deep feature already, and 3x3 over 96 channels is a block.
                    size=1 if name == "appearance" else 3,
                )
                for name, view in PIXEL_VIEWS.items()
            }
        )
        self.gates = nn.ModuleDict(
            {name: nn.Conv2d(channels[view.level], 1, 1) for name, view in PIXEL_VIEWS.items()}
        )
        self.which = nn.ModuleList(
            nn.Linear(len(_views_at(level)), channels[level]) for level in range(3)
        )
        self.down = nn.ModuleList(Conv(a, b, stride=2) for a, b in pairwise(channels))
        # At stride 2 one convolution costs what two do at stride 4.
        self.trunk = nn.ModuleList(
            nn.Sequential(*(Residual(c, 1 if k == 0 else 2) for _ in range(blocks)))
            for k, c in enumerate(channels)
        )
        self.across = nn.ModuleList(nn.Conv2d(c, pyramid, 1) for c in channels[1:])
        self.smooth = Conv(pyramid, pyramid)
        self.fine = nn.GroupNorm(GROUPS, pyramid)
        self.person = nn.Sequential(
            nn.Linear(JOINTS * JOINT_VALUES, 128), nn.SiLU(), nn.Linear(128, width)
        )

    def forward(self, views: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Pyramid:
        """Views by name, (N, *shape) as the contract has them, and their masks (N,) bool.

        A view that is not in `views` is absent. Pictures of another size are resized to the grid
        that the config's side asks for.

        Raises:
            ValueError: if no view is given, or one is not a view of a frame.
        """
        unknown = [name for name in views if name not in FRAME_VIEWS]
        if unknown or not views:
            raise ValueError(f"needs some of {FRAME_VIEWS}, got {list(views)}")
        count = len(next(iter(views.values())))
        some = self.fine.weight
        x: Tensor | None = None
        levels: list[Tensor] = []
        for level in range(4):
            if x is not None:
                x = self.down[level - 1](x)
            if level < 3:
                x = self._joined(level, x, views, masks, some.new_zeros(count, 0))
            x = self.trunk[level](x)
            levels.append(x)
        p2, p3, c4 = (f(x) for f, x in zip(self.across, levels[1:], strict=True))
        p3 = self.smooth(p3 + functional.interpolate(c4, size=p3.shape[-2:]))
        p2 = functional.silu(self.fine(p2 + functional.interpolate(p3, size=p2.shape[-2:])))
        return Pyramid(p2, p3, levels[3], self._skeleton(views, masks, some.new_zeros(count, 0)))

    def _joined(
        self,
        level: int,
        x: Tensor | None,
        views: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        like: Tensor,
    ) -> Tensor:
        """Average the trunk (weight 1) and the level's views (their gates, 0 where absent)."""
        count = len(like)
        total = x
        weight = like.new_full((count, 1, 1, 1), 1e-6 if x is None else 1.0)
        there = []
        for name in _views_at(level):
            if name not in views:
                there.append(like.new_zeros(count))
                continue
            mask = masks[name]
            stem = self.stems[name](self._input(name, views[name], mask))
            gate = torch.sigmoid(self.gates[name](stem).float()) * mask[:, None, None, None]
            # The stem's own precision: a sum in fp32 here would make all of the trunk's so.
            part = stem * gate.to(stem.dtype)
            total = part if total is None else total + part
            weight = weight + gate
            there.append(mask.to(like.dtype))
        if total is None:
            side = self.side // 2 ** (level + 1)
            total = like.new_zeros(count, self.channels[level], side, side)
            total = total.contiguous(memory_format=torch.channels_last)
        said: Tensor = self.which[level](torch.stack(there, dim=1))
        mean: Tensor = total / weight.to(total.dtype)
        return mean + said[:, :, None, None].to(mean.dtype)

    def _input(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """Return a view clean of what is masked, normalised, on its grid, channels last."""
        view = PIXEL_VIEWS[name]
        # Not times zero: what lies under a False mask may be anything, not-a-number too.
        x = torch.where(mask[:, None, None, None], x, x.new_zeros(())).float()
        side = self.side // (1 if name == "rgb" else 2 ** (view.level + 1))
        if x.shape[-1] != side or x.shape[-2] != side:
            x = functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        clean: Tensor = (x - view.middle) / view.spread
        return clean.contiguous(memory_format=torch.channels_last)

    def _skeleton(
        self, views: Mapping[str, Tensor], masks: Mapping[str, Tensor], like: Tensor
    ) -> Tensor:
        """Return the mean of the people's tokens by their confidence: their order is no matter."""
        count = len(like)
        if SKELETON not in views:
            return like.new_zeros(count, self.width)
        mask = masks[SKELETON]
        joints = torch.where(mask[:, None, None, None], views[SKELETON], 0).float()
        sure = joints[..., 3].mean(dim=2)  # (N, P)
        told = self.person(joints.flatten(2)).float()  # (N, P, width)
        token: Tensor = (told * sure[..., None]).sum(dim=1) / sure.sum(dim=1, keepdim=True).clamp(
            min=1e-3
        )
        return token * mask[:, None]


def _views_at(level: int) -> tuple[str, ...]:
    return tuple(name for name, view in PIXEL_VIEWS.items() if view.level == level)
