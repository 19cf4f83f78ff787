"""Gates of every model: what is on record, what was seen in training, equal answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from distiller_windows import noise_windows

from infra.errors import ModelInvalidError
from models import weights
from models.depth import DepthConfig, DepthNet
from models.distiller import Distiller
from models.distiller_config import DistillerConfig
from tasks.judging.general_gates import (
    RUN_TAGS,
    Provenance,
    disjoint_gate,
    provenance_gate,
    repeat_gate,
    unchanged_gate,
)
from tasks.judging.repeatability import INPUT, Repeatability, repeatability
from tasks.training.recipe import Bound, Gate

if TYPE_CHECKING:
    from pathlib import Path

TAGS = dict.fromkeys(RUN_TAGS, "x") | {"weights_digest": "d1"}
TINY = DistillerConfig(
    side=64, channels=(8, 8, 8, 8), pyramid=8, width=16, heads=2, latents=2, layers=1, decoder=48
)


@pytest.mark.parametrize(
    ("value", "bound", "threshold", "passed"),
    [
        (0.0, "above", 0.0, False),
        (0.00001, "above", 0.0, False),  # as it is recorded: .0
        (0.001, "above", 0.0, True),
        (0.0, "at least", 0.0, True),
        (-0.001, "at least", 0.0, False),
        (3, "at most", 3, True),
        (3.1, "at most", 3, False),
        (None, "at most", 3, False),
        (math.nan, "at least", 0.0, False),
    ],
)
def test_a_gate_holds_its_value_against_its_threshold(
    value: float | None, bound: Bound, threshold: float, *, passed: bool
) -> None:
    """Ties count as the bound says; what was not measured never passes."""
    found = Gate.of("g", value, bound, threshold, interval=(0.123456, 1.0))
    assert found.passed is passed
    assert found.to_dict()["name"] == "g"
    assert found.to_dict()["interval"] in (None, [0.1235, 1.0])


def test_complete_provenance_passes_and_says_what_made_it() -> None:
    """A checkout is named with its revision, an installed package is not blamed for having none."""
    record = Provenance("d1", "", TAGS, {"seed": "0"}, [])
    assert provenance_gate(record).passed
    assert "no checkout" in provenance_gate(record).said
    tags = TAGS | {"git_revision": "0123456789abcdef", "git_dirty": "true"}
    said = provenance_gate(Provenance("d1", "", tags, {"seed": "0"}, [])).said
    assert "0123456789ab" in said
    assert "not committed" in said


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        (Provenance("d1", "", TAGS | {"cpu_flags": ""}, {"seed": "0"}, []), ["no cpu_flags"]),
        (Provenance("d1", "", TAGS, {}, []), ["no seed"]),
        (Provenance("d1", "", TAGS, {"seed": "0"}, None), ["no trained_on"]),
        (Provenance("d1", "it was changed", TAGS, {"seed": "0"}, []), ["it was changed"]),
        (Provenance("d2", "", TAGS, {"seed": "0"}, []), ["another weights_digest"]),
        (Provenance("d1", "", {}, {}, None), ["snapshot_id", "preset", "seed", "trained_on"]),
    ],
)
def test_a_gap_in_the_record_is_named(record: Provenance, wrong: list[str]) -> None:
    """The gate counts what is missing or untrue, and names each."""
    found = provenance_gate(record)
    assert not found.passed
    assert found.value >= len(wrong)
    assert all(one in found.said for one in wrong)


def test_sessions_that_were_trained_on_are_not_held_out() -> None:
    """By their own id, by their group's, or by what they show; and without a record it fails."""
    trained = [{"session_id": "a", "group_id": "g1"}, {"session_id": "b", "group_id": "g2"}]
    assert disjoint_gate(trained, {"c": "g3", "d": "g4"}).passed
    assert disjoint_gate([], {"c": "g3"}).passed
    for heldout, seen in (({"a": "g9"}, "a"), ({"c": "g2", "d": "g4"}, "c")):
        found = disjoint_gate(trained, heldout)
        assert (found.passed, found.value) == (False, 1)
        assert f"seen: {seen}" in found.said
    assert disjoint_gate(trained, {"c": "g3"}, leaks=["c"]).value == 1
    unsaid = disjoint_gate(None, {"c": "g3"})
    assert (unsaid.passed, unsaid.value) == (False, None)


def test_a_champion_that_changed_meanwhile_is_named() -> None:
    """Who it was compared with and who is champion now."""
    assert unchanged_gate(3, 3).passed
    found = unchanged_gate(None, 4)
    assert not found.passed
    assert "compared with nobody; champion meanwhile: v4" in found.said


def test_a_distiller_answers_alike_in_any_batch_and_process(tmp_path: Path) -> None:
    """The bytes of the code are the same; an embedding moves within its last bits."""
    torch.manual_seed(0)
    network = Distiller(TINY)
    network.codec.tabulate()
    weights.save(tmp_path, network)
    windows = noise_windows(2, 2, 4)
    alone = noise_windows(1, 3, 4, seed=1)
    # As read from features: channels last in memory.
    alone["rgb"] = alone["rgb"].movedim(3, -1).contiguous().movedim(-1, 3)
    cases = [{name: x[k : k + 1] for name, x in windows.items()} for k in range(2)]
    found = repeatability(tmp_path, [*cases, alone])
    assert (found.cases, found.again, found.batched, found.fresh) == (3, 0, 0, 0)
    assert found.moved <= 1e-6
    assert repeat_gate(found).passed


def test_a_model_of_pictures_answers_alike(tmp_path: Path) -> None:
    """Again and in another process; it is not asked in another batch size."""
    weights.save(tmp_path, DepthNet(DepthConfig(channels=(16, 16, 16, 16), blocks=1)))
    found = repeatability(tmp_path, [{INPUT: torch.rand(1, 3, 112, 112)}])
    assert found == Repeatability(cases=1, again=0, batched=None, fresh=0)
    assert repeat_gate(found).passed


def test_answers_that_differ_fail_the_gate(tmp_path: Path) -> None:
    """Any kind counts; a model that does not answer is an error that says why."""
    for found in (
        Repeatability(4, again=1, batched=0, fresh=0),
        Repeatability(4, again=0, batched=2, fresh=0),
        Repeatability(4, again=0, batched=None, fresh=1),
        Repeatability(4, again=0, batched=0, fresh=0, moved=1e-3),
    ):
        assert not repeat_gate(found).passed
    weights.save(tmp_path, Distiller(TINY))  # without tables nothing is coded
    with pytest.raises(ModelInvalidError, match="does not answer"):
        repeatability(tmp_path, [noise_windows(1, 1, 4)])
    with pytest.raises(ValueError, match="without an input"):
        repeatability(tmp_path, [])
