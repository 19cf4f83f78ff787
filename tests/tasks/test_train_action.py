"""Heads of actions on made codes whose classes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import weights
from models.action import KINDS, ActionConfig
from tasks.actions.presets import PRESETS
from tasks.actions.train import chosen_kind, fit_head, told

if TYPE_CHECKING:
    from pathlib import Path


def _made(each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes of three classes that differ in two latents and in the embedding."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), each)
    x = rng.normal(size=(len(labels), 16 * 16 + 128)).astype(np.float32)
    means = np.random.default_rng(7).normal(size=(3, x.shape[1])).astype(np.float32)
    return x + 0.8 * means[labels], labels


@pytest.mark.parametrize("kind", KINDS)
def test_five_labels_a_class_are_enough_and_more_are_better(kind: str) -> None:
    """On classes that overlap: 5 a class well above the third that chance gives."""
    config = ActionConfig(("a", "b", "c"), kind)
    asked, truth = _made(60, seed=1)
    right = [
        (told(fit_head(*_made(each, seed=0), config, PRESETS["ci"]), asked) == truth).mean()
        for each in (5, 100)
    ]
    assert right[0] > 0.6
    assert right[1] > right[0] - 0.02
    assert right[1] > 0.9


def test_labels_without_meaning_are_not_learned() -> None:
    """Shuffled labels: a head is near chance on codes that it has not seen."""
    x, labels = _made(100, seed=0)
    shuffled = np.random.default_rng(3).permutation(labels)
    asked, truth = _made(100, seed=1)
    head = fit_head(x, shuffled, ActionConfig(("a", "b", "c")), PRESETS["ci"])
    assert abs((told(head, asked) == truth).mean() - 1 / 3) < 0.2


def test_a_head_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Names, kind and answers; equal labels give equal files."""
    x, labels = _made(5, seed=0)
    head = fit_head(x, labels, ActionConfig(("a", "b", "c"), "attentive"), PRESETS["ci"])
    again = fit_head(x, labels, ActionConfig(("a", "b", "c"), "attentive"), PRESETS["ci"])
    assert weights.save(tmp_path / "one", head) == weights.save(tmp_path / "two", again)
    loaded = weights.load(tmp_path / "one")
    assert loaded.config == head.config
    assert np.array_equal(told(loaded, x), told(head, x))  # type: ignore[arg-type]


def test_without_two_groups_a_class_nothing_is_tried() -> None:
    """The head of fewer weights is taken."""
    x, labels = _made(5, seed=0)
    kind, tried = chosen_kind(x, labels, labels, ActionConfig(("a", "b", "c")), PRESETS["ci"])
    assert (kind, tried) == ("embedding", {})
