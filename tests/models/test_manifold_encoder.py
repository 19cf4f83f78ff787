"""The encoder of a manifold: of any cameras and views there are, and whole from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from distiller_windows import noise_windows

from models import weights
from models.manifold_encoder import ManifoldConfig, ManifoldEncoder
from models.window_encoder import EMBEDDING, WindowEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

STEPS = 4
SIZES = {"rgb": 256, "flow": 98, "skeleton": 66}


def encoder(lift: float = 0.0) -> ManifoldEncoder:
    """Return one of drawn weights and axes."""
    torch.manual_seed(0)
    net = ManifoldEncoder(
        ManifoldConfig(
            views=tuple(SIZES),
            sizes=tuple(STEPS * one for one in SIZES.values()),
            components=(8, 8, 8),
            steps=STEPS,
            dims=6,
            hidden=16,
            lift=lift,
        )
    ).eval()
    for view in net.views.values():
        torch.nn.init.normal_(view.axes, std=0.1)
    return net


def windows(cameras: int = 3, steps: int = STEPS) -> dict[str, Tensor]:
    """Return two windows of noise of every view."""
    return noise_windows(2, cameras, steps)


@torch.no_grad()
def test_cameras_are_a_set_and_each_may_be_left_out() -> None:
    """Their order changes nothing; a mask is as if they were not there; nothing gives zeros."""
    net, given = encoder(), windows()
    assert isinstance(net, WindowEncoder)
    whole = net.encode(given).embedding
    assert whole.shape == (2, EMBEDDING)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(2))
    shared = ("audio", "mask_audio", "text", "mask_text")
    turned = {name: x if name in shared else x.flip(1) for name, x in given.items()}
    torch.testing.assert_close(net.encode(turned).embedding, whole, atol=1e-5, rtol=0)
    two = {name: x if name in shared else x[:, :2] for name, x in given.items()}
    mask = torch.tensor([[True, True, False]]).expand(2, 3)
    torch.testing.assert_close(net.encode(given, mask).embedding, net.encode(two).embedding)
    nobody = net.encode(given, torch.zeros(2, 3, dtype=torch.bool))
    assert not nobody.embedding.any()
    assert not nobody.present.any()


@torch.no_grad()
def test_a_view_that_is_absent_or_masked_says_nothing() -> None:
    """What lies under a mask, even not-a-number, is no part of a code; without views it fails."""
    net, given = encoder(), windows(1)
    without = {name: x for name, x in given.items() if "flow" not in name}
    given["mask_flow"][:] = False
    given["flow"][:] = float("nan")
    torch.testing.assert_close(net.encode(given).embedding, net.encode(without).embedding)
    with pytest.raises(ValueError, match="a window needs one of"):
        net.encode({"depth": given["depth"], "mask_depth": given["mask_depth"]})
    given["mask_rgb"][0, :, 1:] = False
    given["mask_skeleton"][0, :, 1:] = False
    assert net.encode(given).present[0].tolist() == [True, False, False, False]


@torch.no_grad()
def test_with_a_lift_the_cosine_tells_distances() -> None:
    """Coordinates of unlike length on one ray, alike by cosine, are told apart once lifted."""
    near = torch.tensor([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    lifted = torch.nn.functional.normalize(torch.cat([near, torch.full((3, 1), 3.0)], dim=1))
    cosine = lifted @ lifted.T
    assert cosine[0, 1] > cosine[0, 2]
    net, given = encoder(lift=3.0), windows(2)
    one = net.encode(given).embedding
    assert (one[:, 6] > 0).all()
    assert not one[:, 7:].any()
    assert not encoder().encode(given).embedding[:, 6:].any()


@torch.no_grad()
def test_a_window_of_other_length_is_stretched_and_pictures_alone_are_served() -> None:
    """Twice as many steps, each shown twice, give the code of one; so does what MLflow is asked."""
    net, given = encoder(), windows(2)
    rgb = {name: given[name] for name in ("rgb", "mask_rgb")}
    twice = {name: x.repeat_interleave(2, dim=2) for name, x in rgb.items()}
    torch.testing.assert_close(net.encode(twice).embedding, net.encode(rgb).embedding)
    torch.testing.assert_close(net.serve(given["rgb"].float()), net.encode(rgb).embedding)


def test_its_files_are_the_encoder(tmp_path: Path) -> None:
    """Weights, axes and sizes come back; sizes that make no network are refused."""
    net = encoder(lift=1.0)
    digest = weights.save(tmp_path, net)
    found = weights.load(tmp_path, digest=digest)
    assert isinstance(found, ManifoldEncoder)
    assert found.config == net.config
    with torch.no_grad():
        given = windows()
        assert torch.equal(found.encode(given).embedding, net.encode(given).embedding)
    with pytest.raises(ValueError, match="views must be of"):
        ManifoldConfig(views=("smell",), sizes=(4,), components=(2,), steps=1)
    with pytest.raises(ValueError, match="128 dims and the lift"):
        ManifoldConfig(views=("rgb",), sizes=(4,), components=(2,), steps=1, dims=128)
