"""A camera's window as plain numbers: each view averaged over coarse cells, step by step.

Tensors in, tensors out; nothing is learned. A step that is masked is as the nearest usable one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

GREY_CELLS = 16
_CELLS, _DEEP_CELLS = 7, 2


def _grey(x: Tensor) -> Tensor:
    """(N, 3, h, w) in 0..255 -> (N, 1, 16, 16) luma in 0..1."""
    weights = x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return functional.adaptive_avg_pool2d((x * weights).sum(dim=1, keepdim=True), GREY_CELLS) / 255


def _coarse(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, _CELLS)


def _deep(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, _DEEP_CELLS)


def _joints(x: Tensor) -> Tensor:
    """(N, P, 33, 4) -> (N, 33, 2): x and y of the person that is surest."""
    best = x[..., 3].mean(dim=2).argmax(dim=1)
    return x[torch.arange(len(x)), best, :, :2]


BLOCKS: dict[str, Callable[[Tensor], Tensor]] = {
    "rgb": _grey,
    "flow": _coarse,
    "silhouette": _coarse,
    "skeleton": _joints,
    "appearance": _deep,
    "depth": _coarse,
}


def pooled(windows: Mapping[str, Tensor], block: str) -> tuple[Tensor, Tensor]:
    """Return one view of each camera of B windows as numbers (B, V, T, D) fp32, and where it is.

    The second is (B, V) bool. Of a camera of which no step is usable the numbers say nothing.
    """
    x, mask = windows[block], windows[f"mask_{block}"]
    steps = mask.shape[2]
    clean = torch.where(mask.view(*mask.shape, *[1] * (x.ndim - 3)), x, x.new_zeros(()))
    told = BLOCKS[block](clean.flatten(0, 2).float()).reshape(*mask.shape, -1)
    at = torch.arange(steps, device=x.device)
    away = (at[:, None] - at).abs() + torch.where(mask, 0, steps)[:, :, None]  # (B, V, T, T)
    nearest = away.argmin(dim=3)[..., None].expand_as(told)
    return told.gather(2, nearest), mask.any(dim=2)
