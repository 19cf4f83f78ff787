"""The control that asks the decoder for gradients: stochastic Gumbel annealing of a code.

Tensors in, arrays out. Yang, Bamler and Mandt 2020 (arXiv:2006.04240): a symbol is drawn, relaxed,
between the whole numbers below and above a real one, and the temperature of the draw falls. It
needs a decoder that is differentiable and a rate that is; the searches need neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.annealing import Found, Search

if TYPE_CHECKING:
    from models.code_energy import CodeEnergy

# A step is a decoding and its derivative, which costs twice that: three evaluations.
STEP_COST = 3
LEARNING_RATE = 0.5  # in symbols, of Adam; it falls to a tenth
FIRST_HEAT, LAST_HEAT = 0.5, 0.3
CHECKS = 12  # times that the code, rounded, is judged as whole numbers: an evaluation each
# From a whole number, SGA's draw has no derivative: the start is a little beside it.
BESIDE = 0.4
NEAR = 1e-5


def gradient(problem: CodeEnergy, evaluations: int, seed: int) -> Found:
    """Return the best of the rounded codes that gradient descent comes through."""
    search = Search(problem, evaluations, seed)
    windows = list(search.chains)
    if not windows:
        return search.found()
    generator = torch.Generator().manual_seed(seed)
    start = torch.from_numpy(problem.start[windows]).float()
    real = start + (torch.rand(start.shape, generator=generator) - 0.5) * 2 * BESIDE
    real.requires_grad_()
    optimiser = torch.optim.Adam([real], lr=LEARNING_RATE)
    per_window = (search.budget - search.spent) // len(windows)
    # A step and a check of it are four evaluations: never more checks than steps.
    checks = min(CHECKS, per_window // (STEP_COST + 1))
    steps = (per_window - checks) // STEP_COST
    due = set(np.linspace(0, steps, checks + 1).round().astype(int)[1:].tolist())
    for step in range(steps):
        share = step / max(1, steps - 1)
        heat = FIRST_HEAT * (LAST_HEAT / FIRST_HEAT) ** share
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * 0.1**share
        optimiser.zero_grad()
        relaxed = _drawn(real, heat, generator)
        loss = problem.loss(windows, relaxed)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        search.spend(STEP_COST * len(windows))
        optimiser.step()
        with torch.no_grad():
            real.clamp_(-problem.layout.limit, problem.layout.limit)
        if step + 1 in due:
            search.offer(windows, real.detach().round().to(torch.int64).numpy())
    return search.found()


def _drawn(real: Tensor, heat: float, generator: torch.Generator) -> Tensor:
    """Draw between the whole numbers about `real`, relaxed; the gradient goes through the draw."""
    below = real.detach().floor()
    part = (real - below).clamp(NEAR, 1 - NEAR)
    logits = torch.stack([-torch.atanh(part), -torch.atanh(1 - part)], dim=-1) / heat
    noise = torch.rand(logits.shape, generator=generator).clamp(1e-20, 1 - 1e-7)
    gumbel = -torch.log(-torch.log(noise))
    weights = torch.softmax((logits + gumbel) / heat, dim=-1)
    return below + weights[..., 1]
