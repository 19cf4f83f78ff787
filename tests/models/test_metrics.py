from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.losses import charbonnier, frame_difference, video_loss
from models.metrics import change_error, crop_border, luma, psnr, quantise, ssim


def test_luma_is_bt601_studio_range() -> None:
    """White is 235, black 16, pure green 16 + 128.553."""
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [0, 1, 0]]).T[:, None]
    expected = torch.tensor([[235.0, 16.0, 144.553]]) / 255
    torch.testing.assert_close(luma(colours), expected)


def test_psnr_of_a_constant_error_is_its_logarithm() -> None:
    """An error of e everywhere is -20 log10 e dB; one value a frame."""
    truth = torch.rand(2, 20, 30) * 0.5
    ours = truth + torch.tensor([0.1, 0.01])[:, None, None]
    torch.testing.assert_close(psnr(ours, truth), torch.tensor([20.0, 40.0]), atol=1e-3, rtol=0)


def test_psnr_of_an_exact_copy_is_finite() -> None:
    """Equal pictures score 100 dB, so that means and JSON survive a black frame."""
    assert psnr(torch.zeros(8, 8), torch.zeros(8, 8)).item() == pytest.approx(100.0)


def ssim_by_definition(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    """Wang et al. 2004, one window after the other, as the paper writes it."""
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mu_a, mu_b = (weights * a).sum(), (weights * b).sum()
            var_a = (weights * (a - mu_a) ** 2).sum()
            var_b = (weights * (b - mu_b) ** 2).sum()
            cov = (weights * (a - mu_a) * (b - mu_b)).sum()
            top = (2 * mu_a * mu_b + 0.01**2) * (2 * cov + 0.03**2)
            values.append(top / ((mu_a**2 + mu_b**2 + 0.01**2) * (var_a + var_b + 0.03**2)))
    return float(np.mean(values))


def test_ssim_equals_its_definition() -> None:
    """The separable form agrees with the paper's windows, on a noisy and on a blurred copy."""
    rng = np.random.default_rng(1)
    x = np.kron(rng.random((8, 10)), np.ones((3, 3)))
    for y in (np.clip(x + rng.normal(0, 0.1, x.shape), 0, 1), (x + np.roll(x, 1, 1)) / 2):
        ours = ssim(torch.from_numpy(x), torch.from_numpy(y)).item()
        assert ours == pytest.approx(ssim_by_definition(x, y), abs=2e-5)


def test_ssim_of_equal_pictures_is_one_for_every_frame() -> None:
    """Shape (..., H, W) gives one value for each leading index."""
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(ssim(x, x), torch.ones(2, 3))


def test_change_error_sees_flicker_and_not_a_constant_error() -> None:
    """A steady offset changes nothing; flicker of 2 levels costs 2 levels."""
    truth = torch.rand(4, 9, 9)
    torch.testing.assert_close(change_error(truth + 0.1, truth), torch.zeros(3), atol=1e-4, rtol=0)
    flicker = truth + torch.tensor([0.0, 2, 0, 2])[:, None, None] / 255
    torch.testing.assert_close(change_error(flicker, truth), torch.full((3,), 2.0))


def test_a_border_that_leaves_nothing_is_refused() -> None:
    """Cutting keeps the middle, and says so where there is none."""
    assert crop_border(torch.zeros(3, 10, 12), 2).shape == (3, 6, 8)
    with pytest.raises(ValueError, match="border of 2"):
        crop_border(torch.zeros(3, 4, 12), 2)


def test_quantise_is_eight_bits() -> None:
    """Values are clipped and rounded to multiples of 1/255."""
    x = torch.tensor([-0.2, 0.4999 / 255, 0.5001 / 255, 1.7])
    torch.testing.assert_close(quantise(x) * 255, torch.tensor([0.0, 0, 1, 255]))


def test_shapes_that_differ_are_refused_everywhere() -> None:
    """Broadcasting a wrong shape would give a number; it gives an error."""
    for measure in (psnr, ssim, change_error, charbonnier):
        with pytest.raises(ValueError, match="shapes differ"):
            measure(torch.zeros(2, 16, 16), torch.zeros(1, 16, 16))


def test_charbonnier_is_nearly_the_absolute_error() -> None:
    """An error of .1 costs sqrt(.01 + 1e-6); none costs 1e-3."""
    zero = torch.zeros(1, 2, 3, 4, 4)
    assert charbonnier(zero + 0.1, zero).item() == pytest.approx(math.sqrt(0.01 + 1e-6))
    assert charbonnier(zero, zero).item() == pytest.approx(1e-3)


def test_video_loss_adds_a_tenth_of_the_frame_difference() -> None:
    """A steady error is charged once, a flickering one again for its change."""
    truth = torch.rand(1, 4, 3, 8, 8)
    flicker = truth + torch.tensor([0.0, 0.2, 0, 0.2])[None, :, None, None, None]
    expected = charbonnier(flicker, truth) + 0.1 * frame_difference(flicker, truth)
    torch.testing.assert_close(video_loss(flicker, truth), expected)
    assert frame_difference(truth + 0.2, truth).item() == pytest.approx(1e-3, abs=1e-6)
    with pytest.raises(ValueError, match="T >= 2"):
        frame_difference(truth[:, :1], truth[:, :1])
