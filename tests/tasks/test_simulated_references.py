from __future__ import annotations

import numpy as np
import torch

from models.metrics import quantise
from models.resample import downsample
from tasks.superresolution.simulated_references import NONE_SHARE, OFF_PX, simulated_references


def windows(count: int = 60) -> torch.Tensor:
    """Smooth windows (B, 3, 3, 32, 32), each of its own colours."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic").clamp(0, 1)
    return large[:, None].repeat(1, 3, 1, 1, 1)


def test_equal_seeds_show_the_same_and_nothing_invalid_is_shown() -> None:
    """Validity is 0 or 1; where it is 0 the picture is black; about a third have no reference."""
    truth = windows()
    small = quantise(downsample(truth, 2))
    a, b = (simulated_references(truth, small, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(a, b)
    assert a.shape == (60, 3, 4, 32, 32)
    rgb, valid = a[:, :, :3], a[:, :, 3:]
    assert set(valid.unique().tolist()) == {0.0, 1.0}
    assert not (rgb * (1 - valid)).any()
    none = (valid.amax(dim=(1, 2, 3, 4)) == 0).float().mean()
    assert abs(float(none) - NONE_SHARE) < 0.15


def test_most_of_what_is_valid_shows_the_same_place() -> None:
    """But for wrong boxes it is the window, a little off its place and of another brightness."""
    truth = windows()
    found = simulated_references(truth, quantise(downsample(truth, 2)), np.random.default_rng(4))
    rgb, valid = found[:, :, :3], found[:, :, 3:].bool()
    far = (rgb - truth).abs().amax(dim=2, keepdim=True)[valid]
    # A gradient of this texture is under .1 a pixel; gain and level make up the rest.
    assert far.quantile(0.8) < 0.1 * OFF_PX + 0.2
    assert far.max() > 0.3
