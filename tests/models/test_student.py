from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch
from distiller_windows import noise_windows
from torch.utils.flop_counter import FlopCounterMode

from models import weights
from models.student import PRESETS, Student, StudentCode, StudentConfig
from models.student_losses import (
    MaskedTokens,
    cosine_loss,
    gram_loss,
    taught_loss,
    untaught_loss,
)

if TYPE_CHECKING:
    from pathlib import Path

TINY = StudentConfig(side=32, channels=(16, 16, 16, 16), state=16, embedding=24)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def windows() -> dict[str, torch.Tensor]:
    """Two windows of three cameras and five steps, of which some pictures are not there."""
    found = noise_windows(2, 3, 5)
    found["mask_rgb"][0, 1, 2] = False
    found["mask_rgb"][1, 2] = False
    return found


def same(one: StudentCode, other: StudentCode, tolerance: float = 0.0) -> bool:
    pairs = ((one.embedding, other.embedding), (one.steps, other.steps))
    return all(torch.allclose(a, b, atol=tolerance, rtol=0) for a, b in pairs)


def test_parameters_and_flops_are_within_the_budget() -> None:
    """At most .8 M parameters, and about .31 GFLOP a picture of 112 px; all of it dense."""
    net = Student(PRESETS["laptop"]).eval()
    assert sum(p.numel() for p in net.parameters()) <= 800_000
    x, h = torch.zeros(1, 3, 112, 112), torch.zeros(1, 128)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.step(x, h, torch.ones(1, dtype=torch.bool), torch.zeros(1))
    assert 0.28e9 < counter.get_total_flops() < 0.34e9
    assert all(conv.groups == 1 for conv in net.modules() if isinstance(conv, torch.nn.Conv2d))


@torch.no_grad()
def test_a_stream_gives_what_a_whole_window_does(windows: dict[str, torch.Tensor]) -> None:
    """Step after step, a missing picture among them: the same embeddings to 1e-5."""
    net = Student(TINY).eval()
    whole = net.encode(windows)
    h = torch.zeros(6, TINY.state)
    pictures = windows["rgb"].flatten(0, 1)
    for t in range(5):
        dt = torch.full((6,), 0.08 if t else 0.0)
        y, h = net.step(net.fitted(pictures[:, t]), h, windows["mask_rgb"].flatten(0, 1)[:, t], dt)
        assert torch.allclose(y, whole.each[:, :, t].flatten(0, 1), atol=1e-5)


@torch.no_grad()
def test_what_is_not_there_changes_nothing(windows: dict[str, torch.Tensor]) -> None:
    """Under a False mask a picture may be anything; an absent camera is as if it were not named."""
    net = Student(TINY).eval()
    before = net.encode(windows)
    changed = dict(windows, rgb=windows["rgb"].clone())
    changed["rgb"][~windows["mask_rgb"]] = 255
    assert same(before, net.encode(changed))
    fewer = {name: windows[name][:, :2] for name in ("rgb", "mask_rgb", "t_ns")}
    chosen = torch.tensor([[True, True, False]]).expand(2, 3)
    assert same(net.encode(windows, chosen), net.encode(fewer), 1e-6)
    x = torch.full((1, 3, 32, 32), torch.nan)
    y, h = net.step(x, torch.zeros(1, 16), torch.zeros(1, dtype=torch.bool), torch.zeros(1))
    assert not y.any()
    assert not h.any()


@torch.no_grad()
def test_cameras_are_a_set_and_nothing_seen_is_zeros(windows: dict[str, torch.Tensor]) -> None:
    """In another order they give the same code; windows without a picture have none."""
    net = Student(TINY).eval()
    turned = {name: windows[name].flip(1) for name in ("rgb", "mask_rgb", "t_ns")}
    assert same(net.encode(windows), net.encode(turned), 1e-6)
    lengths = net.encode(windows).embedding.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(2))
    blind = dict(windows, mask_rgb=torch.zeros_like(windows["mask_rgb"]))
    assert not net.encode(blind).embedding.any()
    assert not net.encode(blind).steps.any()


@torch.no_grad()
def test_a_missing_step_is_bridged_by_what_was_seen_before() -> None:
    """The state is carried and fades with the time that went by; the next picture renews it."""
    net = Student(TINY).eval()
    x, there = torch.rand(1, 3, 32, 32) * 255, torch.ones(1, dtype=torch.bool)
    y, h = net.step(x, torch.zeros(1, 16), there, torch.zeros(1))
    short, _ = net.step(x, h, ~there, torch.tensor([0.08]))
    _, long = net.step(x, h, ~there, torch.tensor([60.0]))
    assert float((short * y).sum()) > 0.999
    assert float(long.abs().max()) < 1e-6 < float(h.abs().max())


def test_gradient_reaches_every_parameter(windows: dict[str, torch.Tensor]) -> None:
    """From the losses of teaching, those of the head included."""
    net = Student(TINY).train()
    head = MaskedTokens(16, 12, 4)
    code = net.encode(windows)
    steps = torch.nn.functional.normalize(torch.randn(2, 5, 24), dim=-1)
    maps = torch.randn(len(code.maps), 12, 4, 4)
    taught_loss(code, steps, maps, head)["total"].backward()
    for name, parameter in (*net.named_parameters(), *head.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_one_batch_can_be_learnt_by_heart(windows: dict[str, torch.Tensor]) -> None:
    """What a teacher says of two windows: 60 steps take the centred distance below a fifth."""
    net = Student(dataclasses.replace(TINY, channels=(16, 32, 32, 32), state=48)).train()
    head = MaskedTokens(32, 12, 4)
    windows["rgb"][1] //= 4
    steps = torch.nn.functional.normalize(torch.randn(2, 1, 24) + torch.randn(2, 5, 24) / 4, dim=-1)
    maps = torch.randn(int(windows["mask_rgb"].sum()), 12, 4, 4)
    optimiser = torch.optim.Adam([*net.parameters(), *head.parameters()], 5e-3)
    losses = []
    for _ in range(60):
        terms = taught_loss(net.encode(windows), steps, maps, head)
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
        losses.append(terms["centred"].item())
    assert losses[-1] < 0.2 * losses[0]


def test_losses_are_zero_where_the_student_says_what_the_teacher_does() -> None:
    """Cosine and angles; angles do not change where both are turned, coordinates do."""
    teacher = torch.nn.functional.normalize(torch.randn(9, 24), dim=-1)
    turn = torch.linalg.qr(torch.randn(24, 24)).Q
    assert float(cosine_loss(teacher, teacher)) == pytest.approx(0, abs=1e-6)
    assert float(gram_loss(teacher @ turn, teacher)) == pytest.approx(0, abs=1e-10)
    assert float(cosine_loss(teacher @ turn, teacher)) > 0.5
    assert float(gram_loss(teacher.flip(0), teacher)) > 1e-3
    with pytest.raises(ValueError, match="9 of the student, 8 of the teacher"):
        gram_loss(teacher, teacher[:8])


def test_without_a_teacher_two_looks_at_a_moment_are_drawn_together(
    windows: dict[str, torch.Tensor],
) -> None:
    """The loss is lower of the same windows than of others, and finite where nothing is seen."""
    net = Student(TINY).train()
    code = net.encode(windows)
    t_ns = windows["t_ns"][:, 0]
    still = torch.zeros(10, 10, dtype=torch.bool)
    right = untaught_loss(code, code, t_ns, 80_000_000, still)["total"]
    swapped = StudentCode(*(x.flip(0) if x.shape[0] == 2 else x for x in code))
    wrong = untaught_loss(code, swapped, t_ns, 80_000_000, still)["total"]
    assert right.item() < wrong.item()
    blind = net.encode(dict(windows, mask_rgb=torch.zeros_like(windows["mask_rgb"])))
    assert untaught_loss(blind, blind, t_ns, 80_000_000, still)["total"].item() == 0


def test_it_is_saved_and_loaded_bit_by_bit(tmp_path: Path) -> None:
    """Weights, statistics and config: the same answer as before, and one digest."""
    net = Student(TINY).train()
    windows = noise_windows(2, 2, 3)
    net.encode(windows)  # moves the statistics of batch norms
    net.eval()
    digest = weights.save(tmp_path, net)
    loaded = weights.load(tmp_path, digest=digest)
    assert isinstance(loaded, Student)
    assert loaded.config == TINY
    with torch.inference_mode():
        rgb = windows["rgb"].float()
        assert torch.equal(net.serve(rgb), loaded.serve(rgb))
        assert torch.equal(net.serve(rgb), net.encode(windows).embedding)


def test_sizes_that_make_no_network_are_refused() -> None:
    """The error names the field."""
    for field, value in (("side", 50), ("channels", (16, 16)), ("blocks", -1), ("state", 0)):
        with pytest.raises(ValueError, match=field):
            StudentConfig(**{field: value})  # type: ignore[arg-type]
