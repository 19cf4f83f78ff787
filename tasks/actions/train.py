"""Train a head of actions on codes: few labels want few weights. Arrays in, a module out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from models.action import KINDS, ActionConfig, ActionHead

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.actions.presets import ActionPreset

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]


def fit_head(
    x: Floats,
    labels: Ints,
    config: ActionConfig,
    preset: ActionPreset,
    losses: list[float] | None = None,
) -> ActionHead:
    """Fit to codes (N, size) of classes (N,); each class weighs the same. Equal in, equal out.

    The loss of every step is added to `losses`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.seed)
        head = ActionHead(config)
    codes, wanted = torch.from_numpy(x), torch.from_numpy(labels)
    head.standardise(codes)
    counts = torch.bincount(wanted, minlength=len(config.names)).float()
    weight = torch.where(counts > 0, 1 / counts.clamp(min=1), torch.zeros_like(counts))
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=preset.learning_rate, weight_decay=preset.decay
    )
    for _ in range(preset.steps):
        optimiser.zero_grad()
        loss = cross_entropy(head(codes), wanted, weight=weight)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if losses is not None:
            losses.append(loss.item())
    return head.eval()


def told(head: ActionHead, x: Floats) -> Ints:
    """Return the likeliest class of each code: (N,)."""
    with torch.inference_mode():
        found: Ints = head(torch.from_numpy(x)).argmax(dim=1).numpy()
    return found


def chosen_kind(
    x: Floats, labels: Ints, groups: Ints, config: ActionConfig, preset: ActionPreset
) -> tuple[str, dict[str, float]]:
    """Choose the kind of head by leaving groups out in turn, and say how right each was.

    Without a class in two groups nothing can be tried: it is the one of fewer weights.
    """
    if not all(len(np.unique(groups[labels == one])) > 1 for one in np.unique(labels)):
        return KINDS[0], {}
    right = dict.fromkeys(KINDS, 0.0)
    for group in np.unique(groups):
        out = groups == group
        for kind in KINDS:
            tried = ActionConfig(
                config.names, kind, config.latents, config.semantic, config.embedding
            )
            head = fit_head(x[~out], labels[~out], tried, preset)
            right[kind] += float((told(head, x[out]) == labels[out]).sum()) / len(labels)
    # Of equals the first, which has fewer weights.
    return max(KINDS, key=lambda kind: right[kind]), right
