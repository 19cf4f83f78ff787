"""Cameras and views of the distiller: a set of any size, any part of which may be absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from distiller_windows import (
    PER_CAMERA,
    SHARED,
    equal,
    noise_windows,
    tensors_of,
)

if TYPE_CHECKING:
    from models.distiller import Distiller


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_cameras_are_a_set(net: Distiller, *, causal: bool) -> None:
    """Permuting them, calibrated or with slots, changes nothing of the code beyond 1e-4."""
    windows = noise_windows(1, 4, 3)
    windows["camera_known"][:, 2:] = False
    windows["mask_flow"][:, 1] = False
    windows["slot"] = torch.tensor([[3, 0, 1, 7]])
    order = [2, 0, 3, 1]
    permuted = {
        k: v if k.removeprefix("mask_") in SHARED else v[:, order] for k, v in windows.items()
    }
    one = net.encode(windows, causal=causal)
    other = net.encode(permuted, causal=causal)
    assert torch.allclose(one.embedding, other.embedding, atol=1e-4)
    assert torch.allclose(one.steps, other.steps, atol=1e-4)
    assert torch.allclose(one.latents, other.latents, atol=1e-4)
    # A number that lies on the edge between two may fall to either side.
    for a, b in zip(one.symbols, other.symbols, strict=True):
        assert (a != b).float().mean() < 1e-3


@pytest.mark.parametrize("cameras", range(1, 9))
@torch.no_grad()
def test_any_number_of_cameras_will_do(net: Distiller, cameras: int) -> None:
    """One to eight cameras give a code of one size, finite, and an embedding of length 1."""
    encoded = net.encode(noise_windows(1, cameras, 2))
    config = net.config
    assert encoded.symbols.semantic.shape == (1, config.latents, config.semantic)
    assert encoded.symbols.key.shape == (1, config.key, 8, 8)
    assert encoded.symbols.steps.shape == (1, 2, config.step, 4, 4)
    assert all(bool(x.isfinite().all()) for x in tensors_of(encoded))
    torch.testing.assert_close(encoded.embedding.norm(dim=1), torch.ones(1))


@pytest.mark.parametrize("name", [*PER_CAMERA, *SHARED])
def test_what_is_masked_has_no_influence(net: Distiller, name: str) -> None:
    """Under a False mask lies garbage, not-a-number too: the code is the same, bit by bit."""
    windows = noise_windows(2, 2, 3)
    mask = windows[f"mask_{name}"]
    mask[0] = False
    if name in PER_CAMERA:
        mask[1, 0, 1:] = False
    garbage = dict(windows)
    rubbish = torch.full_like(windows[name], 99)
    if rubbish.is_floating_point():
        rubbish[...] = torch.nan
    shape = [*mask.shape] + [1] * (rubbish.ndim - mask.ndim)
    garbage[name] = torch.where(mask.view(shape), windows[name], rubbish)
    assert equal(net, windows, garbage)


@pytest.mark.parametrize("name", [*PER_CAMERA, *SHARED])
@torch.no_grad()
def test_what_is_there_has_an_influence(net: Distiller, name: str) -> None:
    """Each tensor of the contract changes the latents; one left out is as one masked."""
    windows = noise_windows(1, 2, 2)
    without = dict(windows)
    without[f"mask_{name}"] = torch.zeros_like(windows[f"mask_{name}"])
    left_out = {k: v for k, v in windows.items() if k not in {name, f"mask_{name}"}}
    masked = net.encode(without).latents
    assert not torch.allclose(net.encode(windows).latents, masked, atol=1e-4)
    torch.testing.assert_close(net.encode(left_out).latents, masked, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_camera_that_fills_up_a_window_changes_nothing(net: Distiller) -> None:
    """A window of two cameras beside one of four is coded as by itself."""
    windows = noise_windows(1, 2, 3)
    padded = {
        k: v if k.removeprefix("mask_") in SHARED else torch.cat([torch.zeros_like(v), v], dim=1)
        for k, v in windows.items()
    }
    one, other = net.encode(windows), net.encode(padded)
    assert torch.equal(one.t_ns, other.t_ns)
    torch.testing.assert_close(one.latents, other.latents, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_leaving_a_camera_out_is_not_having_it(net: Distiller) -> None:
    """`cameras` False for one gives the code of a window in which it sees nothing."""
    windows = noise_windows(1, 3, 2)
    keep = torch.tensor([[True, False, True]])
    gone = {
        k: v & keep[..., None] if k.startswith("mask_") and k[5:] in PER_CAMERA else v
        for k, v in windows.items()
    }
    one, other = net.encode(windows, keep), net.encode(gone)
    torch.testing.assert_close(one.latents, other.latents, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(one.latents, net.encode(windows).latents, atol=1e-3)


@torch.no_grad()
def test_a_window_in_which_nothing_is_seen_has_a_code(net: Distiller) -> None:
    """Every mask False: finite, with no step present, and sound alone is no camera."""
    windows = noise_windows(2, 2, 2)
    for name in (*PER_CAMERA, *SHARED):
        windows[f"mask_{name}"][:] = False
    encoded = net.encode(windows)
    assert all(bool(x.isfinite().all()) for x in tensors_of(encoded))
    assert not encoded.present.any()
