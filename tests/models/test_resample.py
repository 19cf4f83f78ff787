from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from models.resample import Kernel, blur_downsample, downsample, fourier_upsample, upsample

PILLOW = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def picture(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((height, width), np.float32))


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos"])
@pytest.mark.parametrize("scale", [2, 4])
def test_both_directions_equal_pillow(kernel: Kernel, scale: int) -> None:
    """The antialiased kernels are Pillow's, in both directions, to a hundredth of a grey level."""
    x = picture(40, 56)
    for ours in (downsample(x[None], scale, kernel)[0], upsample(x[None], scale, kernel)[0]):
        size = (ours.shape[1], ours.shape[0])
        theirs = np.asarray(Image.fromarray(x.numpy()).resize(size, PILLOW[kernel]))
        np.testing.assert_allclose(ours.numpy(), theirs, atol=0.01 / 255)


def test_leading_dimensions_are_kept() -> None:
    """A clip (B, T, C, H, W) is resampled frame by frame."""
    clip = torch.rand(2, 3, 3, 16, 24)
    small = downsample(clip, 2)
    assert small.shape == (2, 3, 3, 8, 12)
    torch.testing.assert_close(small[1, 2], downsample(clip[1, 2], 2))
    assert upsample(small, 4).shape == (2, 3, 3, 32, 48)
    assert blur_downsample(clip, 4, 1.6).shape == (2, 3, 3, 4, 6)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.6])
def test_blur_keeps_the_centre(scale: int, sigma: float) -> None:
    """A linear ramp comes back as the ramp at the small pixels' centres: nothing was shifted."""
    ramp = torch.arange(48.0).expand(1, 48, 48)
    small = blur_downsample(ramp, scale, sigma)
    centres = torch.arange(48 // scale) * scale + (scale - 1) / 2
    # Away from the edges, where the ramp ends and repeats.
    inside = slice(4, -4)
    torch.testing.assert_close(small[0, 8, inside], centres[inside])


@pytest.mark.parametrize("scale", [2, 4])
def test_blur_of_an_impulse_is_the_gaussian(scale: int) -> None:
    """Each small pixel weighs an impulse by the normal density at its distance."""
    sigma, at = 1.1, 20
    impulse = torch.zeros(1, 48, 48)
    impulse[:, :, at] = 1.0
    centres = torch.arange(48 // scale) * scale + (scale - 1) / 2
    density = torch.exp(-0.5 * ((at - centres) / sigma) ** 2) / (sigma * (2 * torch.pi) ** 0.5)
    ours = blur_downsample(impulse, scale, sigma)[0, 5]
    torch.testing.assert_close(ours, density, atol=4e-3, rtol=0)


def test_sizes_that_do_not_divide_are_refused() -> None:
    """A remainder would be cut or stretched silently: it is an error instead."""
    with pytest.raises(ValueError, match="15 x 16 is not a multiple of 2"):
        downsample(torch.zeros(3, 15, 16), 2)
    with pytest.raises(ValueError, match="multiple of 4"):
        blur_downsample(torch.zeros(3, 16, 18), 4, 1.0)
    with pytest.raises(ValueError, match="sigma_px"):
        blur_downsample(torch.zeros(3, 16, 16), 2, 0.0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fourier_enlargement_is_exact_for_what_the_small_grid_can_hold(scale: int) -> None:
    """A cosine below the limit comes back as that cosine, at the large grid's pixel centres."""
    size, waves = 16, 5
    small = (torch.arange(size) + 0.5) / size
    large = (torch.arange(size * scale) + 0.5) / (size * scale)
    line, truth = (torch.cos(torch.pi * waves * at) for at in (small, large))
    found = fourier_upsample(line.expand(1, 8, size), scale)
    assert found.shape == (1, 8 * scale, size * scale)
    torch.testing.assert_close(found, truth.expand(1, 8 * scale, -1), rtol=0, atol=1e-5)
