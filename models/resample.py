"""Shrink and enlarge pictures by a whole factor: antialiased cubic, Lanczos, Gaussian + subsample.

Tensors in, tensors out, any leading dimensions, values 0..1 (not clipped: these kernels ring).
Torch's own antialiased kernels are used: equal to Pillow's to 5e-4 of 255 (test_resample.py). All
three keep the picture's centre where it is, so what one shrinks another may enlarge.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Kernel = Literal["bicubic", "lanczos"]


def downsample(x: Tensor, scale: int, kernel: Kernel = "bicubic") -> Tensor:
    """(..., C, H, W) -> (..., C, H/scale, W/scale); the kernel is widened by `scale`.

    "bicubic" is the degradation the super-resolution literature calls BI.

    Raises:
        ValueError: if H or W is not a multiple of `scale`.
    """
    height, width = _divided(x, scale)
    return _interpolate(x, height, width, kernel)


def upsample(x: Tensor, scale: int, kernel: Kernel = "bicubic") -> Tensor:
    """(..., C, h, w) -> (..., C, scale*h, scale*w), the classical baselines."""
    return _interpolate(x, x.shape[-2] * scale, x.shape[-1] * scale, kernel)


def to_side(pictures: Tensor, side: int) -> Tensor:
    """Pictures (..., 3, h, w) in 0..255 -> (..., 3, side, side) in 0..1, as targets are made.

    One whose side that is stays as it is.
    """
    return resized(pictures.float() / 255, side)


def resized(x: Tensor, side: int) -> Tensor:
    """Pictures (..., 3, h, w) in 0..1 -> (..., 3, side, side); those of that side stay as is."""
    if x.shape[-2:] == (side, side):
        return x
    return _interpolate(x, side, side, "bicubic").clamp(0, 1)


def blur_downsample(x: Tensor, scale: int, sigma_px: float) -> Tensor:
    """Gaussian blur and subsampling, called BD: (..., C, H, W) -> (..., C, H/scale, W/scale).

    `sigma_px` is in pixels of `x`. Taps stand at half-pixel offsets around each low-resolution
    pixel's centre. Plain `x[::scale]` after a blur would move the picture by (scale-1)/2 pixels,
    and every score would then measure that shift.

    Raises:
        ValueError: if H or W is not a multiple of `scale`, or sigma is not positive.
    """
    height, width = _divided(x, scale)
    if sigma_px <= 0:
        raise ValueError(f"sigma_px must be positive, got {sigma_px}")
    # An even number of taps has its centre between two pixels, as an even scale's pixels do;
    # an odd scale's centre falls on a pixel. Three sigma hold 99.7 % of the weight.
    half = max(1, math.ceil(3 * sigma_px))
    taps = 2 * half + scale % 2
    offsets = torch.arange(taps, dtype=torch.float32, device=x.device) - (taps - 1) / 2
    weights = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    weights = (weights / weights.sum()).to(x.dtype)
    before = half - scale // 2
    after = taps - before - 1
    flat = x.reshape(-1, 1, x.shape[-2], x.shape[-1])
    # Edge pixels repeat: reflection is undefined where the picture is smaller than the kernel.
    flat = functional.pad(flat, (max(before, 0), after, max(before, 0), after), mode="replicate")
    if before < 0:
        flat = flat[..., -before:, -before:]
    flat = functional.conv2d(flat, weights.view(1, 1, -1, 1), stride=(scale, 1))
    flat = functional.conv2d(flat, weights.view(1, 1, 1, -1), stride=(1, scale))
    return flat[..., :height, :width].reshape(*x.shape[:-2], height, width)


def _divided(x: Tensor, scale: int) -> tuple[int, int]:
    height, width = x.shape[-2], x.shape[-1]
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} is not a multiple of {scale}: crop it first")
    return height // scale, width // scale


def _interpolate(x: Tensor, height: int, width: int, kernel: Kernel) -> Tensor:
    flat = x.reshape(-1, *x.shape[-3:])
    # antialias=True in both directions: without it torch's cubic has a = -0.75, not the -0.5
    # of Keys (1981) that Pillow, MATLAB and the published tables use.
    y = functional.interpolate(flat, size=(height, width), mode=kernel, antialias=True)
    return y.reshape(*x.shape[:-2], height, width)


def fourier_upsample(x: Tensor, scale: int) -> Tensor:
    """(..., C, h, w) -> (..., C, scale*h, scale*w) by padding the spectrum with zeros.

    The picture is mirrored at its edges, as a cosine transform takes it: repeated as it is, its
    left edge would ring into its right one.
    """
    for dim in (-2, -1):
        x = _fourier_line(x, scale, dim)
    return x


def _fourier_line(x: Tensor, scale: int, dim: int) -> Tensor:
    size = x.shape[dim]
    spectrum = torch.fft.rfft(torch.cat([x, x.flip(dim)], dim), dim=dim)
    # Samples stand at pixel centres: the first of the large ones is (1/scale - 1)/2 from the first.
    shift = (1 / scale - 1) / 2
    waves = torch.arange(size + 1, dtype=torch.float32, device=x.device)
    turn = torch.polar(torch.ones_like(waves), math.pi * shift / size * waves)
    shape = [1] * x.ndim
    shape[dim] = size + 1
    large: Tensor = (
        torch.fft.irfft(spectrum * turn.view(shape), n=2 * size * scale, dim=dim) * scale
    )
    return large.narrow(dim, 0, size * scale)
