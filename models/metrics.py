"""Picture quality as the super-resolution literature measures it: on luma, border cut, 8 bits.

Tensors in, one value a frame out. PSNR and SSIM take luma 0..1 of shape (..., H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor

# An exact copy has infinite PSNR, which no mean, JSON or table survives. One grey level wrong in
# one pixel of a 4K picture is 117 dB, in one of a 176 x 144 picture 92 dB.
PSNR_CEILING_DB = 100.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2


def quantise(x: Tensor) -> Tensor:
    """Clip to 0..1 and round to 8 bits: what a viewer gets is what is measured."""
    return (x.clamp(0, 1) * 255).round() / 255


def luma(rgb: Tensor) -> Tensor:
    """ITU-R BT.601 studio-range Y of rgb 0..1: (..., 3, H, W) -> (..., H, W), 16/255..235/255.

    The convention of the published tables; full-range Y would read about 1.3 dB lower.

    Raises:
        ValueError: if the third dimension from the right is not 3.
    """
    if rgb.shape[-3] != 3:
        raise ValueError(f"needs (..., 3, H, W), got {tuple(rgb.shape)}")
    r, g, b = rgb.float().unbind(-3)
    return (16.0 + 65.481 * r + 128.553 * g + 24.966 * b) / 255.0


def crop_border(x: Tensor, border_px: int) -> Tensor:
    """Cut `border_px` from all four sides of (..., H, W): kernels see no data beyond the edge.

    Raises:
        ValueError: if nothing would be left.
    """
    if min(x.shape[-2:]) <= 2 * border_px:
        raise ValueError(f"{tuple(x.shape[-2:])} has no pixel inside a border of {border_px}")
    return x[..., border_px : x.shape[-2] - border_px, border_px : x.shape[-1] - border_px]


def psnr(ours: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, peak 1: (..., H, W) -> (...), at most 100.

    Raises:
        ValueError: if the shapes differ.
    """
    _same_shape(ours, truth)
    mse = (ours.double() - truth.double()).square().mean(dim=(-2, -1))
    return (-10.0 * torch.log10(mse.clamp_min(10 ** (-PSNR_CEILING_DB / 10)))).float()


def ssim(ours: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004): (..., H, W) -> (...), 1 for equal pictures.

    Gaussian window 11 x 11, sigma 1.5, K = (.01, .03), only windows inside the picture.

    Raises:
        ValueError: if the shapes differ or a side is shorter than 11.
    """
    _same_shape(ours, truth)
    height, width = ours.shape[-2:]
    if min(height, width) < SSIM_WINDOW:
        raise ValueError(f"needs at least 11 x 11 pixels, got {height} x {width}")
    x = ours.reshape(-1, height, width).float()
    y = truth.reshape(-1, height, width).float()
    mu_x, mu_y, xx, yy, xy = (_gaussian(m) for m in (x, y, x * x, y * y, x * y))
    var_x, var_y, cov = xx - mu_x * mu_x, yy - mu_y * mu_y, xy - mu_x * mu_y
    top = (2 * mu_x * mu_y + SSIM_C1) * (2 * cov + SSIM_C2)
    bottom = (mu_x * mu_x + mu_y * mu_y + SSIM_C1) * (var_x + var_y + SSIM_C2)
    return (top / bottom).mean(dim=(-2, -1)).reshape(ours.shape[:-2])


def change_error(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of the luma change from frame to frame, in levels of 255.

    (T, H, W), T >= 2 -> (T-1,). Zero where ours changes exactly as the truth does; flicker
    raises it. Not a warping error: nothing is warped.

    Raises:
        ValueError: if the shapes differ or there are fewer than two frames.
    """
    _same_shape(ours, truth)
    if ours.ndim != 3 or ours.shape[0] < 2:
        raise ValueError(f"needs (T >= 2, H, W), got {tuple(ours.shape)}")
    return (ours.diff(dim=0) - truth.diff(dim=0)).abs().mean(dim=(-2, -1)) * 255.0


def _gaussian(x: Tensor) -> Tensor:
    """Blur the last two dimensions by the separable window; only what lies inside is kept."""
    offsets = torch.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    window = torch.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    taps = (window / window.sum()).tolist()
    # Sums of shifted pictures: 10 ms where torch's one-channel convolution takes 180 (360 x 640).
    for dim in (-2, -1):
        size = x.shape[dim] - SSIM_WINDOW + 1
        blurred = x.narrow(dim, 0, size) * taps[0]
        for k, tap in enumerate(taps[1:], start=1):
            blurred.add_(x.narrow(dim, k, size), alpha=tap)
        x = blurred
    return x


def _same_shape(ours: Tensor, truth: Tensor) -> None:
    if ours.shape != truth.shape:
        raise ValueError(f"shapes differ: {tuple(ours.shape)} and {tuple(truth.shape)}")
