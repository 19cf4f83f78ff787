"""What every model must be compared with, by name. A result without these rows is refused.

Tensors in, tensors out; nothing is learned, read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from models.resample import fourier_upsample, upsample

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def bicubic(lr: Tensor, scale: int) -> Tensor:
    """(..., 3, h, w) in 0..1 -> (..., 3, scale*h, scale*w), cubic of Keys, a = -0.5."""
    return upsample(lr, scale, "bicubic")


def lanczos(lr: Tensor, scale: int) -> Tensor:
    """(..., 3, h, w) in 0..1 -> (..., 3, scale*h, scale*w), Lanczos of three lobes."""
    return upsample(lr, scale, "lanczos")


# Super-resolution: both enlarge exactly the small frames that the model is given.
SUPER_RESOLUTION: dict[str, Callable[[Tensor, int], Tensor]] = {
    "bicubic": bicubic,
    "lanczos": lanczos,
}


def fourier(lr: Tensor, scale: int) -> Tensor:
    """(..., 3, h, w) -> (..., 3, scale*h, scale*w): zeros around the spectrum."""
    return fourier_upsample(lr, scale)


def median(lr: Tensor, scale: int) -> Tensor:
    """Bicubic, then the median of 3x3 pixels; shapes as `bicubic`."""
    y = bicubic(lr, scale)
    padded = functional.pad(y.reshape(-1, *y.shape[-3:]), (1, 1, 1, 1), mode="replicate")
    height, width = y.shape[-2:]
    around = [padded[..., i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return torch.stack(around).median(dim=0).values.reshape(y.shape)


def gaussian(lr: Tensor, scale: int) -> Tensor:
    """Bicubic, then a Gaussian filter of a quarter of `scale` pixels; shapes as `bicubic`."""
    return _blurred(bicubic(lr, scale), SMOOTH_SIGMA * scale)


def unsharp(lr: Tensor, scale: int) -> Tensor:
    """Bicubic, and half of what a Gaussian of `scale` / 2 pixels takes away once more."""
    y = bicubic(lr, scale)
    return y + UNSHARP_AMOUNT * (y - _blurred(y, UNSHARP_SIGMA * scale))


def _blurred(y: Tensor, sigma_px: float) -> Tensor:
    half = max(1, round(3 * sigma_px))
    offsets = torch.arange(-half, half + 1, dtype=torch.float32)
    taps = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    taps = taps / taps.sum()
    flat = y.reshape(-1, 1, *y.shape[-2:])
    flat = functional.pad(flat, (half, half, half, half), mode="replicate")
    flat = functional.conv2d(flat, taps.view(1, 1, -1, 1))
    return functional.conv2d(flat, taps.view(1, 1, 1, -1)).reshape(y.shape)


# Per unit of scale, and of what is taken away: customary values, chosen before any was measured.
SMOOTH_SIGMA, UNSHARP_SIGMA, UNSHARP_AMOUNT = 0.25, 0.5, 0.5

# The classical filters; the first two are demanded of every evaluation.
CLASSICAL: dict[str, Callable[[Tensor, int], Tensor]] = SUPER_RESOLUTION | {
    "fourier": fourier,
    "median": median,
    "gaussian": gaussian,
    "unsharp": unsharp,
}
