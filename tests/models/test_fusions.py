from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, get_args

import pytest
import torch
from distiller_windows import STEP_NS, noise_windows

from models import weights
from models.distiller import Distiller, Query
from models.distiller_config import FRAMES, PRESETS, VIEWS, DistillerConfig, Fusion
from models.distiller_losses import contrast_loss, distiller_loss
from models.extractor import FRAME_VIEWS
from models.precision import autocast
from tasks.windows.tensors import TENSORS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
VARIANTS: dict[str, dict[str, object]] = {name: {"fusion": name} for name in FUSIONS} | {
    "no memory": {"recurrent": False},
    "real numbers": {"quantised": False},
}
SHARED = ("audio", "text")
# Small, with two layers: what only the second has is tested too.
TINY = DistillerConfig(
    side=32,
    channels=(8, 8, 16, 16),
    pyramid=16,
    width=48,
    heads=2,
    latents=4,
    layers=2,
    semantic=4,
    embedding=16,
    decoder=48,
)


def net_of(name: str, config: DistillerConfig = TINY) -> Distiller:
    """Return a variant as drawn, in evaluation mode."""
    torch.manual_seed(0)
    return Distiller(dataclasses.replace(config, **VARIANTS[name])).eval()  # type: ignore[arg-type]  # fields by name


def turned(windows: dict[str, Tensor], order: list[int]) -> dict[str, Tensor]:
    """Return the cameras in another order."""
    return {k: v if k.removeprefix("mask_") in SHARED else v[:, order] for k, v in windows.items()}


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("preset", ["ci", "laptop", "gpu"])
def test_every_rung_has_the_same_budget(preset: str) -> None:
    """Within 20 % of the network's and of the combiner's parameters, counted unallocated."""
    with torch.device("meta"):
        nets = {
            name: Distiller(dataclasses.replace(PRESETS[preset], **changed))  # type: ignore[arg-type]  # fields by name
            for name, changed in VARIANTS.items()
        }
    whole, part = count(nets["latents"]), count(nets["latents"].combiner)
    for name, net in nets.items():
        print(f"{preset} {name}: {count(net)} parameters, combiner {count(net.combiner)}")
        assert abs(count(net) / whole - 1) < 0.2, name
        assert abs(count(net.combiner) / part - 1) < 0.2, name


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("cameras", [1, 3, 8])
@torch.no_grad()
def test_any_number_of_cameras_gives_one_shape(name: str, cameras: int) -> None:
    """Codes and pictures of one to eight cameras: one size, finite, embeddings of length 1."""
    net = net_of(name)
    windows = noise_windows(2, cameras, 3)
    query = Query(windows["camera"][:, 0], windows["camera_known"][:, 0], windows["t_ns"][:, 0])
    frames, encoded = net(windows, query)
    assert encoded.symbols.semantic.shape == (2, 4, 4)
    assert encoded.symbols.key.shape == (2, 4, 4, 4)
    assert encoded.symbols.steps.shape == (2, 3, 2, 2, 2)
    assert encoded.latents.shape == (2, 3, 4, 48)
    assert frames.shape == (2, 3, 3, 32, 32)
    assert bool(frames.isfinite().all())
    torch.testing.assert_close(encoded.embedding.norm(dim=1), torch.ones(2))
    with autocast("bf16"):
        fast = net.encode(windows)
    assert (encoded.embedding * fast.embedding).sum(dim=1).min() > 0.98


@pytest.mark.parametrize("name", VARIANTS)
def test_the_gradient_reaches_every_parameter_of_every_rung(name: str) -> None:
    """Several steps with every view, both codes of a window, and every slot and place once."""
    net = net_of(name).train()
    windows = noise_windows(2, 8, 3)
    windows["camera_known"][1] = False
    truth = torch.rand(2, 2, 3, 32, 32)
    for first in range(2):
        windows["slot"] = (torch.arange(8).expand(2, 8) + 4 * first) % 8
        seen = net.see(windows)
        one, other = (
            net.combine(seen, windows, torch.tensor([keep] * 2))
            for keep in ([True, False] * 4, [False, True] * 4)
        )
        query = Query(
            windows["camera"][:, 1],
            windows["camera_known"][:, 1],
            windows["t_ns"][:, 1, [0, 2]],
            windows["slot"][:, 1],
        )
        terms = distiller_loss(
            net.decode(one.symbols, one.t_ns, query),
            truth,
            torch.ones(2, 2, 1, 32, 32),
            torch.tensor([True, False]),
            one,
            contrast_loss(one, other, STEP_NS),
        )
        terms["total"].backward()
    silent = [
        name
        for name, p in net.named_parameters()
        if p.grad is None or not p.grad.isfinite().all() or not p.grad.abs().sum() > 0
    ]
    assert silent == []
    if name == "concat":
        grad = net.combiner.joined.weight.grad  # type: ignore[union-attr]  # of this fusion
        assert isinstance(grad, torch.Tensor)
        assert bool((grad.view(48, 8, 24).abs().sum(dim=(0, 2)) > 0).all())


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_cameras_are_a_set_but_where_they_are_concatenated(name: str) -> None:
    """Calibrated cameras in another order are the same window; side by side they are not."""
    net = net_of(name)
    windows = noise_windows(1, 4, 2)
    windows["mask_flow"][:, 1] = False
    windows["mask_rgb"][:, 2, 1] = False
    one, other = net.encode(windows), net.encode(turned(windows, [2, 0, 3, 1]))
    same = torch.allclose(one.latents, other.latents, atol=1e-4)
    assert same == (name != "concat")
    if same:
        assert torch.allclose(one.embedding, other.embedding, atol=1e-4)


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_a_missing_camera_has_no_influence_on_any_rung(name: str) -> None:
    """Left out, masked with garbage beneath, or the last and not even there: the same code."""
    net = net_of(name)
    windows = noise_windows(2, 3, 3)
    windows["slot"] = torch.arange(3).expand(2, 3).clone()
    keep = torch.tensor([[True, True, False]] * 2)
    garbage = dict(windows)
    for key, value in windows.items():
        if key.startswith("mask_") and key[5:] not in SHARED:
            garbage[key] = value & keep[..., None]
        elif f"mask_{key}" in windows and key not in SHARED:
            rubbish = torch.full_like(value, 99 if value.dtype == torch.uint8 else torch.nan)
            garbage[key] = torch.where(keep.view(2, 3, *[1] * (value.ndim - 2)), value, rubbish)
    smaller = turned(windows, [0, 1])
    left_out = net.encode(windows, keep).latents
    for other in (garbage, smaller):
        torch.testing.assert_close(net.encode(other).latents, left_out, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(net.encode(windows).latents, left_out, atol=1e-3)
    nobody = net.encode(windows, torch.zeros_like(keep))
    assert not nobody.present.any()
    assert all(bool(part.isfinite().all()) for part in (*nobody.symbols, nobody.latents))


@pytest.mark.parametrize("name", ["mean", "sum"])
@torch.no_grad()
def test_one_camera_is_fused_alike(name: str) -> None:
    """With equal weights a mean or sum over one camera is what the combiner makes of it."""
    windows = noise_windows(2, 1, 3)
    torch.testing.assert_close(
        net_of(name).encode(windows).latents,
        net_of("latents").encode(windows).latents,
        atol=1e-5,
        rtol=1e-4,
    )


@torch.no_grad()
def test_a_late_mean_is_the_mean_of_the_cameras_alone() -> None:
    """Without memory, latents of two cameras are the mean of those of each."""
    torch.manual_seed(0)
    net = Distiller(dataclasses.replace(TINY, fusion="mean", recurrent=False)).eval()
    windows = noise_windows(1, 2, 2)
    each = [
        net.encode(windows, torch.tensor([keep])).latents for keep in ([True, False], [False, True])
    ]
    torch.testing.assert_close(net.encode(windows).latents, sum(each) / 2, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_without_memory_a_step_knows_itself_only() -> None:
    """Steps in another order have their latents in that order; with memory they have not."""
    windows = noise_windows(1, 2, 3)
    del windows["appearance"], windows["mask_appearance"]
    other = {
        k: v.flip(1 if k.removeprefix("mask_") in SHARED else 2)
        if k.removeprefix("mask_") not in {"camera", "camera_known", "t_ns", "text"}
        else v
        for k, v in windows.items()
    }
    for name, same in (("no memory", True), ("latents", False)):
        net = net_of(name)
        # The time of a step is told to its tokens: here all are at one.
        for each in (windows, other):
            each["t_ns"] = torch.ones_like(each["t_ns"])
        a, b = net.encode(windows).latents, net.encode(other).latents.flip(1)
        assert torch.allclose(a, b, atol=1e-5) == same


@torch.no_grad()
def test_real_numbers_are_kept_as_they_are() -> None:
    """No noise in training, no rounding after; 32 bits a number, in bytes too, and back."""
    net = net_of("real numbers")
    windows = noise_windows(2, 2, 3)
    encoded = net.encode(windows)
    assert not torch.equal(encoded.symbols.key, encoded.symbols.key.round())
    numbers = 4 * 4 + 4 * 4 * 4 + 3 * 2 * 2 * 2
    assert encoded.bits.tolist() == [32.0 * numbers] * 2
    net.codec.tabulate()
    stream = net.codec.to_bytes(encoded.symbols)
    assert len(stream) == 8 + 2 * 4 * numbers
    back = net.codec.from_bytes(stream)
    assert all(torch.equal(a, b) for a, b in zip(encoded.symbols, back, strict=True))
    for wrong in (b"", stream[:-1], stream[:7], stream + b"x"):
        with pytest.raises(ValueError, match="is not of this model's numbers"):
            net.codec.from_bytes(wrong)
    again = net.train().encode(windows)
    assert torch.equal(again.symbols.key, encoded.symbols.key)


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_every_rung_comes_back_from_its_folder(name: str, tmp_path: Path) -> None:
    """The config says which it is; weights of one do not load as another."""
    net = net_of(name)
    weights.save(tmp_path, net)
    back = weights.load(tmp_path)
    assert isinstance(back, Distiller)
    assert back.config == net.config
    windows = noise_windows(1, 2, 2)
    assert torch.equal(back.encode(windows).latents, net.encode(windows).latents)


def test_a_config_from_before_the_ladder_still_loads(tmp_path: Path) -> None:
    """Without the four fields it is the network of today, weight by weight."""
    net = net_of("latents")
    weights.save(tmp_path, net)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["digest"]
    for field in ("fusion", "recurrent", "quantised", "views"):
        del config["config"][field]
    config["digest"] = weights._digest(config, (tmp_path / "weights.safetensors").read_bytes())
    path.write_text(json.dumps(config))
    back = weights.load(tmp_path)
    assert isinstance(back, Distiller)
    assert back.config == TINY
    state = back.state_dict()
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())


@pytest.mark.parametrize("side", [32, 64, 80, 96, 112, 144])
@torch.no_grad()
def test_every_side_that_a_config_admits_makes_a_network(side: int) -> None:
    """A grid that does not pool to 4 x 4 has fewer tokens, at their own places."""
    net = net_of("latents", dataclasses.replace(TINY, side=side))
    windows = noise_windows(1, 1, 1)
    query = Query(windows["camera"][:, 0], windows["camera_known"][:, 0], windows["t_ns"][:, 0])
    assert net(windows, query)[0].shape == (1, 1, 3, side, side)


@pytest.mark.parametrize("name", FRAMES)
@torch.no_grad()
def test_a_network_of_one_view_sees_no_other(name: str) -> None:
    """Whatever else a window holds: the same code, bit by bit, as of a window of that view."""
    net = net_of("latents", dataclasses.replace(TINY, views=(name,)))
    windows = noise_windows(2, 2, 3)
    others = {k: x for k, x in windows.items() if k.removeprefix("mask_") not in {*VIEWS} - {name}}
    one, other = net.encode(windows), net.encode(others)
    assert torch.equal(one.latents, other.latents)
    assert all(torch.equal(a, b) for a, b in zip(one.symbols, other.symbols, strict=True))
    assert not torch.equal(one.latents, net_of("latents").encode(windows).latents)


def test_views_are_those_of_the_contract() -> None:
    """The config names what the windows have; one of no frame's view, or of another, is refused."""
    assert set(VIEWS) == set(TENSORS)
    assert set(FRAMES) == set(FRAME_VIEWS)
    for views in ((), ("audio",), ("rgb", "smell")):
        with pytest.raises(ValueError, match="views must be of"):
            DistillerConfig(views=views)


def test_an_unknown_fusion_is_named() -> None:
    """A config that names none of them says which there are."""
    with pytest.raises(ValueError, match="got 'late'"):
        DistillerConfig(fusion="late")  # type: ignore[arg-type]  # the mistake
