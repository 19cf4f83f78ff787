from __future__ import annotations

import math

import pytest
import torch

from models.conditioning import grid_positions, time_embedding
from models.convolutions import init_layers
from models.fuser import FADES_S, Fuser, LatentCell, MapCell, MapJoin


@pytest.fixture
def fuser() -> Fuser:
    torch.manual_seed(0)
    made = Fuser(32, 16)
    init_layers(made)
    return made.eval()


def inputs(steps: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    seconds = torch.arange(steps).expand(2, -1) * 0.08
    return (
        torch.randn(2, steps, 4, 32, generator=generator),
        torch.randn(2, steps, 16, 6, 6, generator=generator),
        torch.ones(2, steps, dtype=torch.bool),
        seconds,
    )


@pytest.mark.parametrize("cell", [LatentCell(16), MapCell(16)])
@torch.no_grad()
def test_an_unseen_step_carries_the_state(cell: LatentCell | MapCell) -> None:
    """Without a camera the state only fades, by e^(-dt / 2 s) before training; else it moves."""
    shape = (2, 3, 16) if isinstance(cell, LatentCell) else (2, 16, 5, 5)
    x, h = torch.randn(shape), torch.randn(shape)
    dt = torch.tensor([0.0, 1.0])
    y, after = cell(x, h, torch.tensor([False, False]), dt)
    assert torch.equal(y, after)
    assert torch.equal(after[0], h[0])
    torch.testing.assert_close(after[1], h[1] * math.exp(-1 / FADES_S))
    moved, _ = cell(x, h, torch.tensor([True, True]), dt)
    assert not torch.allclose(moved[0], h[0])


@pytest.mark.parametrize("cell", [LatentCell(16), MapCell(16)])
def test_a_cell_can_be_exported(cell: LatentCell | MapCell) -> None:
    """`torch.export` takes the step function as it is, and its answers are the same."""
    shape = (2, 3, 16) if isinstance(cell, LatentCell) else (2, 16, 5, 5)
    inputs = torch.randn(shape), torch.randn(shape), torch.tensor([True, False]), torch.rand(2)
    exported = torch.export.export(cell, inputs).module()
    for a, b in zip(cell(*inputs), exported(*inputs), strict=True):
        torch.testing.assert_close(a, b)


@torch.no_grad()
def test_fading_follows_real_time(fuser: Fuser) -> None:
    """Ten empty steps of .08 s fade as much as one gap of .8 s."""
    latents, maps, _, _ = inputs(12)
    mask = torch.zeros(2, 12, dtype=torch.bool)
    mask[:, 0] = True
    seconds = torch.arange(12).expand(2, -1) * 0.08
    many = fuser(latents, maps, mask, seconds)[0][:, 10]
    jump = torch.tensor([0.0, 0.8]).expand(2, -1)
    once = fuser(latents[:, :2], maps[:, :2], mask[:, :2], jump)[0][:, 1]
    torch.testing.assert_close(many, once)


@torch.no_grad()
def test_step_by_step_is_the_whole(fuser: Fuser) -> None:
    """The cells, run one step at a time as an exported model is, give what `forward` gives."""
    latents, maps, mask, seconds = inputs(4)
    mask[1, 2] = False
    whole, places = fuser(latents, maps, mask, seconds)
    h, m = torch.zeros(2, 4, 32), torch.zeros(2, 16, 6, 6)
    for t in range(4):
        dt = torch.full((2,), 0.08 if t else 0.0)
        y, h = fuser.latent(latents[:, t], h, mask[:, t], dt)
        z, m = fuser.map(maps[:, t], m, mask[:, t], dt)
        torch.testing.assert_close(y, whole[:, t])
        torch.testing.assert_close(z, places[:, t])


@torch.no_grad()
def test_offline_is_the_mean_of_both_directions(fuser: Fuser) -> None:
    """A window turned round in time gives the same answer turned round."""
    latents, maps, mask, seconds = inputs(5)
    mask[0, 3] = False
    there = fuser(latents, maps, mask, seconds, causal=False)
    turned = (x.flip(1) for x in (latents, maps, mask, 0.32 - seconds))
    back = fuser(*turned, causal=False)
    for a, b in zip(there, back, strict=True):
        torch.testing.assert_close(a, b.flip(1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_maps_are_the_mean_of_the_cameras_there() -> None:
    """Two equal cameras are as one, an absent one has no part, none at all is zero."""
    torch.manual_seed(0)
    join = MapJoin(16, 8).eval()
    maps, camera = torch.randn(1, 1, 2, 16, 4, 4), torch.randn(1, 1, 8)
    one = join(maps, camera, torch.ones(1, 1, 2, dtype=torch.bool))
    three = torch.cat([maps, maps, maps + 9], dim=1)
    present = torch.tensor([[[True, True], [True, True], [False, False]]])
    several = join(three, camera.expand(1, 3, 8), present)
    torch.testing.assert_close(one, several)
    assert not join(three, camera.expand(1, 3, 8), present & False).any()


def test_the_state_is_fp32_under_autocast(fuser: Fuser) -> None:
    """What is summed over time has more than bf16's 8 bits of mantissa."""
    with torch.autocast("cpu", torch.bfloat16):
        latents, maps = fuser(*inputs(2))
    assert latents.dtype == maps.dtype == torch.float32


def test_places_and_instants_can_be_told_apart() -> None:
    """No two cells and no two steps of a clip have nearly the same embedding."""
    for vectors in (grid_positions(14, 96), time_embedding(torch.arange(16) * 0.08, 96)):
        distances = torch.cdist(vectors, vectors) + 9 * torch.eye(len(vectors))
        assert distances.min() > 0.5
