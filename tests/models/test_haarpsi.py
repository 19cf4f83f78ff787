from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.haarpsi import haarpsi

# What piq 0.8.0 (Apache-2.0) gives in float64 for `pictures`, compared with the first of them.
# `import piq` needs torchvision, so its `haarpsi.py` was run behind an empty package of that name.
PIQ = {
    (64, 80): (0.5247827491102598, 0.8477548435229028, 0.16814249704073708, 0.8717754211171503),
    (48, 48): (0.5114777886186019, 0.8576701427999142, 0.16410452529011713, 0.8494588600347931),
    (47, 62): (0.5205772071050236, 0.8518569275272181, 0.16620741784693663, 0.7984420104933068),
    (16, 17): (0.5879152820028974, 0.8583957786738402, 0.15074814317389534, 0.803798981038936),
}


def pictures(height: int, width: int) -> tuple[Tensor, ...]:
    """Return a picture of colour waves; the same shifted, rippled, without hue, and inverted."""
    rows, columns = torch.meshgrid(
        torch.arange(height).double(), torch.arange(width).double(), indexing="ij"
    )
    waves = torch.stack(
        [
            torch.sin(rows * columns / 40),
            torch.cos(rows / 3 + columns / 7),
            torch.sin(columns / 2),
        ]
    )
    truth = (waves + 1) / 2
    ripples = (truth + 0.3 * torch.cos(rows * 1.7 - columns * 2.3)).clamp(0, 1)
    grey = truth.mean(0, keepdim=True).expand(3, -1, -1)
    return truth, truth.roll(2, -1), ripples, grey, 1 - truth


@pytest.mark.parametrize("size", PIQ)
def test_haarpsi_equals_piq(size: tuple[int, int]) -> None:
    """Shift, ripples, lost hue and inversion, of even, odd and smallest size: to 1e-6."""
    truth, *others = pictures(*size)
    found = haarpsi(torch.stack(others), truth.expand(4, -1, -1, -1))
    torch.testing.assert_close(found, torch.tensor(PIQ[size]), atol=1e-6, rtol=0)


def test_haarpsi_of_equal_pictures_is_one() -> None:
    """One value a picture, also where nothing is to be seen; and it is symmetric."""
    x = torch.rand(2, 3, 3, 20, 24)
    torch.testing.assert_close(haarpsi(x, x), torch.ones(2, 3), atol=1e-5, rtol=0)
    flat = torch.zeros(3, 16, 16)
    torch.testing.assert_close(haarpsi(flat, flat), torch.tensor(1.0), atol=1e-5, rtol=0)
    y = torch.rand(2, 3, 3, 20, 24)
    torch.testing.assert_close(haarpsi(x, y), haarpsi(y, x))


def test_more_noise_is_less_alike() -> None:
    """The figure falls with each doubling of the noise."""
    torch.manual_seed(0)
    truth = pictures(48, 48)[0]
    noise = torch.randn_like(truth)
    found = [haarpsi((truth + s * noise).clamp(0, 1), truth).item() for s in (0.02, 0.04, 0.08)]
    assert 1 > found[0] > found[1] > found[2] > 0


def test_what_is_no_pair_of_colour_pictures_is_refused() -> None:
    """Grey pictures, small ones and unequal ones give an error, not a number."""
    with pytest.raises(ValueError, match="shapes differ"):
        haarpsi(torch.zeros(3, 16, 16), torch.zeros(1, 3, 16, 16))
    for shape in ((1, 16, 16), (3, 15, 16)):
        with pytest.raises(ValueError, match="at least 16 x 16"):
            haarpsi(torch.zeros(shape), torch.zeros(shape))
