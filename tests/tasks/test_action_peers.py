"""What judges a head of actions, on made codes whose classes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from infra.errors import MissingBaselineError
from models.action import ActionConfig
from tasks.actions.evaluate import judge_action
from tasks.actions.judgement import BASELINES, ActionJudgement
from tasks.actions.material import LabelledWindow
from tasks.actions.peers import PeerCodes, peered
from tasks.actions.presets import PRESETS
from tasks.actions.recipe import ActionRecipe
from tasks.actions.train import fit_head

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("run", "walk")
CONFIG = ActionConfig(NAMES, latents=2, semantic=3, embedding=8)


def judged(
    *, heldout: bool, apart: bool = False, moves: bool = True, keep: int = 100
) -> ActionJudgement:
    """Judge a head on eight sessions of both classes, or (`apart`) of one class each group.

    Classes differ in the whole code, in that of each of two cameras, and, unless it is what they
    do (`moves`) that differs, in the background's.
    """
    rng = np.random.default_rng(5)
    windows, truth = [], []
    for session in range(8):
        for k in range(8):
            label = session % 2 if apart else k % 2
            group = str(label) if apart else str(session)
            split = "heldout" if heldout and session > 5 else "train"
            name = f"s{session}"
            windows.append(
                LabelledWindow(f"{name}{k}", name + str(k), name, name, split, group,
                               NAMES[label], 0)
            )  # fmt: skip
            truth.append(label)
    labels = np.array(truth)
    means = np.random.default_rng(7).normal(size=(2, CONFIG.size)).astype(np.float32)
    x = (rng.normal(size=(64, CONFIG.size)) + 2 * means[labels]).astype(np.float32)
    single = rng.normal(size=(64, 2, 8)) + 2 * means[labels][:, None, :8]
    background = rng.normal(size=(64, 8)) + (0 if moves else 2 * means[labels][:, :8])
    peers = PeerCodes(peered(windows, keep), single, background)
    train = np.array([one.split == "train" for one in windows])
    head = fit_head(x[train], labels[train], CONFIG, PRESETS["ci"])
    return judge_action(head, x, tuple(windows), PRESETS["ci"], peers)


def test_what_differs_is_told_on_sessions_held_out() -> None:
    """The head and each camera tell it; the place alone, of which nothing differs, does not."""
    found = judged(heldout=True)
    assert (found.protocol, found.sessions) == ("heldout", ("s6", "s7"))
    assert {row["method"] for row in found.table()} == {"model", *BASELINES}
    for method in ("model", "ridge", "first_camera", "late_mean", "early_concat"):
        assert found.top1(method) > 0.9
    assert found.top1("majority") == 0.5
    assert found.top1("background") < 0.8
    assert not any("place alone" in one for one in found.remarks())


def test_it_is_said_where_the_place_alone_tells_as_much() -> None:
    """Classes that differ in the background too: the remark says that nothing was recognised."""
    found = judged(heldout=True, moves=False)
    assert found.top1("background") == 1.0
    assert any("place alone" in one for one in found.remarks())


def test_sessions_are_left_out_in_turn_where_none_is_held_out() -> None:
    """The protocol says so, and every session is asked once."""
    found = judged(heldout=False)
    assert (found.protocol, len(found.sessions)) == ("folds", 8)
    assert found.top1("model") > 0.9


def test_all_methods_are_asked_of_the_same_few_windows() -> None:
    """With one window a session and class, two answers of each method a session."""
    found = judged(heldout=True, keep=1)
    assert {row["items"] for row in found.table()} == {2}


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: judged(heldout=True), 0.5),
        (lambda: judged(heldout=False), 0.5),
        (lambda: judged(heldout=False, apart=True), None),
    ],
)
def test_a_gate_says_where_nothing_could_be_measured(
    make: Callable[[], ActionJudgement], value: float | None
) -> None:
    """A class in one group alone: it passes as not measured, and the record says so."""
    found = make()
    gate = ActionRecipe().gates(found, None)[0]
    assert gate.passed
    if value is None:
        assert gate.value is None
        assert (found.protocol, found.top1("model")) == ("none", None)
        assert any("is not known" in one for one in found.remarks())
    else:
        assert gate.value == pytest.approx(value, abs=0.1)


def test_a_head_that_is_no_better_than_the_majority_is_refused() -> None:
    """Answers that are the majority's fail the gate."""
    found = judged(heldout=True)
    said = {(one.session, one.method): one.said for one in found.told}
    told = tuple(
        type(one)(one.session, one.method, one.truth, said[one.session, "majority"])
        if one.method == "model"
        else one
        for one in found.told
    )
    worse = ActionJudgement(found.protocol, found.names, told, 1, 1)
    assert not ActionRecipe().gates(worse, None)[0].passed


def test_a_judgement_keeps_its_baselines() -> None:
    """It is read back as it was written; without its baselines it cannot be built."""
    found = judged(heldout=True)
    assert ActionJudgement.from_json(found.to_json()) == found
    alone = tuple(one for one in found.told if one.method == "model")
    with pytest.raises(MissingBaselineError):
        ActionJudgement("heldout", NAMES, alone, 1, 1)
