from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from models.distiller_losses import (
    TEMPERATURE,
    LossWeights,
    gradient_difference,
    info_nce,
    motion_weight,
    picture_loss,
    still_pairs,
    vicreg,
)
from models.losses import charbonnier

STEP_NS = 80_000_000


def test_what_moves_weighs_five_times_as_much() -> None:
    """A pixel that differs from its median by .2 or more weighs 5, the background 1."""
    window = torch.zeros(1, 5, 3, 12, 12)
    window[0, 2, :, 3, 3] = 0.9
    window[0, 3, :, 4, 4] = 0.1
    window[0, 4] = 0.7  # not a frame: masked
    present = torch.tensor([[True, True, True, True, False]])
    weight = motion_weight(window[:, 2:4], window, present)
    assert weight.shape == (1, 2, 1, 12, 12)
    assert float(weight[0, 0, 0, 3, 3]) == 5
    assert float(weight[0, 1, 0, 4, 4]) == pytest.approx(3)
    assert float(weight.sum()) == pytest.approx(2 * 144 + 4 + 2)
    nothing = motion_weight(window[:, 2:3], window, present & False)
    assert bool((nothing == 1).all())


def test_a_weight_of_one_is_no_weight() -> None:
    """The weighted Charbonnier with equal weights is the plain one; weights choose pixels."""
    ours, truth = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    torch.testing.assert_close(
        charbonnier(ours, truth, torch.full((1, 1, 1), 3.0)), charbonnier(ours, truth)
    )
    only = torch.zeros(2, 3, 4)
    only[0] = 1
    torch.testing.assert_close(charbonnier(ours, truth, only), charbonnier(ours[0], truth[0]))


def test_a_perfect_picture_costs_only_epsilon() -> None:
    """Each term is zero there, and worse pictures cost more."""
    truth = torch.rand(2, 2, 3, 16, 16)
    weight = torch.ones(2, 2, 1, 16, 16)
    perfect = float(picture_loss(truth, truth, weight, LossWeights()))
    assert perfect == pytest.approx(1e-3 * 1.1, abs=1e-4)
    blurred = truth.mean(dim=(-1, -2), keepdim=True).expand_as(truth)
    worse = float(picture_loss(blurred, truth, weight, LossWeights()))
    assert (
        worse > float(picture_loss((blurred + truth) / 2, truth, weight, LossWeights())) > perfect
    )
    assert float(gradient_difference(truth + 0.3, truth)) == pytest.approx(0, abs=1e-6)


def test_pictures_that_show_the_same_are_still() -> None:
    """Noise of a grey level leaves two pictures still; a square that moved does not."""
    one = torch.full((3, 56, 56), 0.5)
    moved = one.clone()
    moved[:, 10:40, 10:40] = 1
    found = still_pairs(torch.stack([one, one + 1 / 255, moved]))
    assert found.tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def nce_inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two clips of six moments, .08 s apart: the last of a clip is .4 s after its first."""
    generator = torch.Generator().manual_seed(0)
    ours = normalize(torch.randn(12, 16, generator=generator), dim=1)
    others = normalize(torch.randn(12, 16, generator=generator), dim=1)
    clip = torch.arange(2).repeat_interleave(6)
    return ours, others, clip, torch.arange(6).repeat(2) * STEP_NS


def test_info_nce_is_its_formula() -> None:
    """By loops: each positive against all negatives of its anchor, the mean over positives."""
    ours, others, clip, t_ns = nce_inputs()
    terms = []
    for i in range(12):
        score = [float(ours[i] @ others[j]) / TEMPERATURE for j in range(12)]
        far = [abs(int(t_ns[i] - t_ns[j])) for j in range(12)]
        negatives = [j for j in range(12) if clip[j] != clip[i] or far[j] >= 400_000_000]
        against = sum(math.exp(score[j]) for j in negatives)
        terms += [
            -math.log(math.exp(score[j]) / (math.exp(score[j]) + against))
            for j in range(12)
            if clip[j] == clip[i] and far[j] <= STEP_NS
        ]
    expected = sum(terms) / len(terms)
    assert float(info_nce(ours, others, clip, t_ns, STEP_NS)) == pytest.approx(expected, rel=1e-4)


def test_losses_are_fp32_under_autocast() -> None:
    """A caller's bf16 changes neither InfoNCE nor VICReg by a bit."""
    ours, others, clip, t_ns = nce_inputs()
    exact = info_nce(ours, others, clip, t_ns, STEP_NS), vicreg(ours, others)
    with torch.autocast("cpu", torch.bfloat16):
        again = info_nce(ours, others, clip, t_ns, STEP_NS), vicreg(ours, others)
    assert all(torch.equal(a, b) for a, b in zip(exact, again, strict=True))


def test_moments_that_agree_cost_little() -> None:
    """Equal embeddings a clip, opposite ones between clips: nearly nothing; the reverse: much."""
    _, _, clip, t_ns = nce_inputs()
    t_ns = t_ns // 2  # all of a clip within .4 s
    side = (clip * 2 - 1).float()[:, None] * torch.eye(1, 4)
    assert float(info_nce(side, side, clip, t_ns, STEP_NS)) < 1e-5
    assert float(info_nce(side, -side, clip, t_ns, STEP_NS)) > 10


def test_what_is_still_or_unseen_is_no_negative() -> None:
    """Such pairs may hold anything; without a negative or a positive there is no loss at all."""
    ours, others, clip, t_ns = nce_inputs()
    still = torch.zeros(12, 12, dtype=torch.bool)
    still[:, 11] = still[11] = True
    usable = torch.ones(12, dtype=torch.bool)
    usable[3] = False
    found = info_nce(ours, others, clip, t_ns, STEP_NS, usable=usable, still=still)
    changed = others.clone()
    changed[3] = -changed[3]
    again = info_nce(ours, changed, clip, t_ns, STEP_NS, usable=usable, still=still)
    assert torch.equal(found, again)
    ours.requires_grad_()
    for seen, alike in ((usable & False, still), (usable, still | True)):
        none = info_nce(ours, others, clip, t_ns, STEP_NS, usable=seen, still=alike)
        none.backward()
        assert none.item() == 0
    assert ours.grad is not None
    assert bool(ours.grad.isfinite().all())


def test_vicreg_undoes_a_collapse() -> None:
    """Embeddings that are all alike cost more than spread ones, and its gradient spreads them."""
    generator = torch.Generator().manual_seed(0)
    spread = normalize(torch.randn(64, 16, generator=generator), dim=1)
    alike = normalize(torch.ones(64, 16) + 0.01 * spread, dim=1)
    assert float(vicreg(alike, alike)) > 1.5 * float(vicreg(spread, spread))
    free = alike.clone().requires_grad_()
    optimiser = torch.optim.Adam([free], lr=0.02)
    for _ in range(50):
        optimiser.zero_grad()
        vicreg(normalize(free, dim=1), normalize(free, dim=1)).backward()
        optimiser.step()
    after = normalize(free.detach(), dim=1)
    assert float(after.std(dim=0).mean()) > 0.1 > float(alike.std(dim=0).mean())
