from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models import weights
from models.depth import LOG_SCALE_RANGE, DepthConfig, DepthNet, FrozenDepth, multiply_adds
from models.depth_losses import depth_loss, gradient_error, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = DepthConfig(channels=(16, 16, 16, 16), blocks=1, side=32)
WEIGHTS = {"gradient": 0.5, "confidence": 0.1, "anchor": 0.0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slowed down by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def net(config: DepthConfig = SMALL) -> DepthNet:
    """A network of known weights that has seen a few pictures, so that its norms are not new."""
    module = DepthNet(config)
    module.init_weights(torch.Generator().manual_seed(1))
    with torch.no_grad():
        for _ in range(3):
            module(torch.rand(8, 3, config.side, config.side))
    return module.eval()


def test_a_picture_gives_a_quarter_as_many_cells() -> None:
    """112 px in, 28 x 28 out, inverse depth and a log error within its range."""
    answer = net(DepthConfig())(torch.rand(2, 3, 112, 112))
    assert answer.shape == (2, 2, 28, 28)
    assert answer.dtype == torch.float32
    low, high = LOG_SCALE_RANGE
    assert answer[:, 1].min() >= low
    assert answer[:, 1].max() <= high


def test_a_picture_does_not_depend_on_its_batch() -> None:
    """Frozen, each picture's answer is its own."""
    module, pictures = net(), torch.rand(5, 3, 32, 32)
    with torch.no_grad():
        together, alone = module(pictures), module(pictures[2:3])
    assert torch.allclose(together[2:3], alone, atol=1e-5)


def test_the_view_gets_bytes_in_and_confidence_out() -> None:
    """Frozen for the view: uint8 pictures, the same inverse depth, confidence 1 / (1 + error)."""
    module = net()
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8))
    with torch.no_grad():
        inverse, confidence = FrozenDepth(module)(pictures)
        answer = module(pictures.permute(0, 3, 1, 2).float() / 255)
    assert torch.equal(inverse, answer[:, :1])
    assert torch.allclose(confidence, 1 / (1 + answer[:, 1:].exp()))


def test_the_laptops_network_is_as_cheap_as_stated() -> None:
    """71 million multiply-adds, of which the bound of the view's speed was measured."""
    assert multiply_adds(DepthNet()) == pytest.approx(71e6, rel=0.01)


def test_a_network_survives_its_folder(tmp_path: Path) -> None:
    """Weights, norms' statistics and config come back; JSON's list is a tuple again."""
    module = net()
    weights.save(tmp_path / "model", module)
    back = weights.load(tmp_path / "model")
    assert isinstance(back, DepthNet)
    assert back.config == SMALL
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(back(x), module(x), atol=1e-6)


def test_wrong_sizes_are_refused() -> None:
    """Config and pictures are checked and named."""
    with pytest.raises(ValueError, match="side must be a multiple of 16"):
        DepthConfig(side=100)
    with pytest.raises(ValueError, match="four positive"):
        DepthConfig(channels=(16, 16, 16, 0))
    with pytest.raises(ValueError, match=r"needs \(B, 3, 32, 32\)"):
        net()(torch.rand(1, 3, 64, 64))


def test_the_loss_knows_no_scale_and_shift() -> None:
    """Truth a s + b of the answer costs what the truth itself costs: next to nothing."""
    truth = torch.rand(4, 1, 28, 28) + 0.1
    unsure = torch.zeros_like(truth)
    ours = torch.cat([truth * 3 + 7, unsure], dim=1)
    assert depth_loss(ours, truth, **WEIGHTS) < 1e-5
    wrong = torch.cat([-truth, unsure], dim=1)
    assert depth_loss(wrong, truth, **WEIGHTS) > 0.5


def test_normalised_maps_have_median_0_and_deviation_1() -> None:
    """Whatever the unit; a flat map stays flat and finite."""
    maps = normalised(torch.rand(3, 1, 9, 9) * 50 + 3)
    assert torch.allclose(maps.flatten(1).median(dim=1).values, torch.zeros(3), atol=1e-6)
    assert torch.allclose(maps.abs().flatten(1).mean(dim=1), torch.ones(3), atol=1e-5)
    assert not normalised(torch.full((1, 1, 4, 4), 2.0)).any()


def test_an_edge_out_of_place_costs_gradient() -> None:
    """A residual that is flat has no gradient error; a step in it has."""
    flat = torch.ones(1, 1, 28, 28)
    step = flat.clone()
    step[..., 14:] = 2
    assert gradient_error(flat) == 0
    assert gradient_error(step) > 0


def test_confidence_learns_the_size_of_the_error() -> None:
    """The likelihood is best where the scale is the mean error, and moves no depth."""
    torch.manual_seed(0)
    truth = torch.rand(8, 1, 28, 28)
    inverse = truth + 0.2 * torch.randn_like(truth)
    error = (normalised(inverse) - normalised(truth)).abs().mean()

    def loss(log_scale: float) -> float:
        both = torch.cat([inverse, torch.full_like(inverse, log_scale)], dim=1)
        return float(depth_loss(both, truth, gradient=0.0, confidence=1.0, anchor=0.0))

    best = float(error.log())
    assert loss(best) < min(loss(best - 0.5), loss(best + 0.5))


def test_shapes_that_do_not_fit_are_refused() -> None:
    """Broadcasting would hide a defect."""
    with pytest.raises(ValueError, match="needs"):
        depth_loss(torch.zeros(2, 2, 4, 4), torch.zeros(2, 1, 4, 5), **WEIGHTS)
