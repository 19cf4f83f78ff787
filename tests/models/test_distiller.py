from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch
from distiller_windows import PER_CAMERA, STEP_NS, equal, noise_windows, query_of, tensors_of
from torch.utils.flop_counter import FlopCounterMode

from models import weights
from models.distiller import Distiller
from models.distiller_config import PRESETS, DistillerConfig
from models.distiller_losses import LossWeights, contrast_loss, distiller_loss, motion_weight
from models.precision import autocast

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_and_flops_are_within_the_budget() -> None:
    """Preset laptop: 1.0 M and .38 GFLOP a camera-frame below, 1.2 M above; at most 15 % more."""
    net = Distiller(PRESETS["laptop"])
    assert 0.95e6 < count(net.extractor) < 1.1e6
    assert 1.1e6 < count(net.combiner) < 1.38e6
    assert count(net) < 3.7e6
    windows = noise_windows(1, 1, 1)
    with FlopCounterMode(display=False) as counter:
        net.see(windows)
    assert 0.35e9 < counter.get_total_flops() < 0.40e9


def test_preset_gpu_is_as_large_as_it_says() -> None:
    """25 M parameters, counted without allocating them."""
    with torch.device("meta"):
        net = Distiller(PRESETS["gpu"])
    assert 22e6 < count(net) < 28e6


def test_one_batch_can_be_learnt_by_heart() -> None:
    """The pictures of moving squares: the loss falls to less than a fifth in 40 steps."""
    net = Distiller(PRESETS["ci"])
    windows = noise_windows(2, 2, 4)
    for b in range(2):
        for v in range(2):
            windows["rgb"][b, v] = 40 + 60 * b
            for t in range(4):
                windows["rgb"][b, v, t, 0, 20 : 60 + 20 * v, 20 * t : 20 * t + 40] = 220
    truth = windows["rgb"][:, 0].float() / 255
    truth = torch.nn.functional.interpolate(truth.flatten(0, 1), scale_factor=64 / 112)
    truth = truth.view(2, 4, 3, 64, 64)
    weight = motion_weight(truth, truth, windows["mask_rgb"][:, 0])
    query, crossed = query_of(windows, 0, [0, 1, 2, 3]), torch.tensor([False, True])
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        frames, encoded = net(windows, query)
        contrast = frames.new_zeros(())
        loss = distiller_loss(frames, truth, weight, crossed, encoded, contrast)["total"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < losses[0] / 5, losses


def test_the_gradient_reaches_every_parameter() -> None:
    """One step with every view, known and unknown cameras, slots, and both codes of a window."""
    net = Distiller(PRESETS["ci"])
    windows = noise_windows(2, 2, 4)
    windows["camera_known"][1] = False
    # Each slot has a row of its own: eight moments ask for all of them.
    windows["slot"] = torch.tensor([[0, 1], [2, 3]])
    truth = torch.rand(2, 2, 3, 64, 64)
    for slots in ([[0, 1], [2, 3]], [[4, 5], [6, 7]], [[1, 0], [3, 2]], [[5, 4], [7, 6]]):
        windows["slot"] = torch.tensor(slots)
        seen = net.see(windows)
        one = net.combine(seen, windows, torch.tensor([[True, False]] * 2))
        other = net.combine(seen, windows, torch.tensor([[False, True]] * 2))
        frames = net.decode(one.symbols, one.t_ns, query_of(windows, 1, [0, 3]))
        terms = distiller_loss(
            frames,
            truth,
            torch.ones(2, 2, 1, 64, 64),
            torch.tensor([True, False]),
            one,
            contrast_loss(one, other, STEP_NS),
        )
        terms["total"].backward()
    silent = [
        name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert silent == []
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters())  # type: ignore[union-attr]  # above
    assert bool((net.camera.slots.weight.grad.abs().sum(dim=1) > 0).all())  # type: ignore[union-attr]  # above


def test_a_saved_distiller_codes_alike(net: Distiller, tmp_path: Path) -> None:
    """Through safetensors and back: every weight, the coder's tables, every code, every picture."""
    weights.save(tmp_path, net)
    back = weights.load(tmp_path)
    assert isinstance(back, Distiller)
    assert back.config == net.config
    state = back.state_dict()
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())
    windows = noise_windows(2, 2, 3)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            tensors_of(net.encode(windows)), tensors_of(back.encode(windows)), strict=True
        )
    )
    query = query_of(windows, 0, [1])
    with torch.no_grad():
        assert torch.equal(net(windows, query)[0], back(windows, query)[0])
    symbols = net.encode(windows).symbols
    assert net.codec.to_bytes(symbols) == back.codec.to_bytes(symbols)


@torch.no_grad()
def test_codes_become_bytes_and_come_back(net: Distiller) -> None:
    """Eight windows: within 2 % of the estimate with the header, equal symbols, equal pictures."""
    windows = noise_windows(8, 2, 4)
    encoded = net.encode(windows)
    assert equal(net, windows, windows)
    stream = net.codec.to_bytes(encoded.symbols)
    assert len(stream) * 8 == pytest.approx(float(encoded.bits.sum()), rel=0.02)
    back = net.codec.from_bytes(stream)
    assert all(torch.equal(a, b) for a, b in zip(encoded.symbols, back, strict=True))
    query = query_of(windows, 1, [0, 2])
    frames = net.decode(back, encoded.t_ns, query)
    assert torch.equal(frames, net(windows, query)[0])


@torch.no_grad()
def test_causal_means_that_later_steps_change_nothing_earlier(net: Distiller) -> None:
    """Other frames at the last two steps leave the first two bit-equal; offline they do not."""
    windows = noise_windows(1, 2, 4)
    other = dict(windows)
    for name in (*PER_CAMERA, "audio"):
        axis = 1 if name == "audio" else 2
        other[name] = torch.cat(
            [windows[name].narrow(axis, 0, 2), windows[name].narrow(axis, 2, 2).flip(axis)], axis
        )
    a, b = net.encode(windows), net.encode(other)
    assert torch.equal(a.latents[:, :2], b.latents[:, :2])
    assert torch.equal(a.symbols.steps[:, :2], b.symbols.steps[:, :2])
    assert torch.equal(a.steps[:, :2], b.steps[:, :2])
    assert not torch.equal(a.latents[:, 2:], b.latents[:, 2:])
    a, b = net.encode(windows, causal=False), net.encode(other, causal=False)
    assert not torch.equal(a.latents[:, :2], b.latents[:, :2])


@torch.no_grad()
def test_a_target_may_lie_between_steps(net: Distiller) -> None:
    """Half-way between two steps their maps are mixed; outside the window the ends hold."""
    from models.distiller import _between

    grid = torch.tensor([[0.0, 0.08, 0.16]])
    at = torch.tensor([[-1.0, 0.0, 0.04, 0.12, 0.16, 9.0]])
    expected = [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    torch.testing.assert_close(_between(at, grid)[0], torch.tensor(expected))
    windows = noise_windows(2, 1, 1)
    assert net(windows, query_of(windows, 0, [0, 0]))[0].shape == (2, 2, 3, 64, 64)


@torch.no_grad()
def test_bf16_stays_near_fp32(net: Distiller) -> None:
    """Under autocast codes and pictures come out in fp32; embeddings point the same way."""
    windows = noise_windows(1, 2, 3)
    exact = net.encode(windows)
    with autocast("bf16"):
        frames, fast = net(windows, query_of(windows, 0, [0]))
    assert frames.dtype == fast.embedding.dtype == fast.symbols.key.dtype == torch.float32
    assert (exact.embedding * fast.embedding).sum() > 0.99


def test_the_model_service_answers_embeddings(net: Distiller) -> None:
    """Frames of two cameras, floats of 0..255, become one vector of length 1 a window."""
    found = net.serve(torch.rand(2, 2, 3, 3, 112, 112) * 255)
    assert found.shape == (2, 128)


def test_wrong_sizes_are_named() -> None:
    """A config that makes no network says which field is wrong; so does a window of no view."""
    for field, value in {"side": 100, "decoder": 64, "width": 190, "latents": 0}.items():
        with pytest.raises(ValueError, match=field):
            dataclasses.replace(DistillerConfig(), **{field: value})
    with pytest.raises(ValueError, match="a window needs one of"):
        Distiller(PRESETS["ci"]).encode({"audio": torch.zeros(1, 2, 64, 4)})


def test_the_rate_is_a_part_of_the_loss() -> None:
    """With a heavier rate the total grows by exactly the bits a pixel."""
    net = Distiller(PRESETS["ci"])
    windows = noise_windows(1, 1, 2)
    frames, encoded = net(windows, query_of(windows, 0, [0, 1]))
    truth, weight, crossed = torch.rand_like(frames), torch.ones_like(frames), torch.tensor([False])
    light, heavy = (
        distiller_loss(
            frames, truth, weight, crossed, encoded, frames.sum() * 0, LossWeights(rate=r)
        )
        for r in (0.0, 1.0)
    )
    torch.testing.assert_close(heavy["total"] - light["total"], heavy["rate"])
    assert float(heavy["rate"].detach()) == pytest.approx(encoded.bits.item() / (2 * 64 * 64))
