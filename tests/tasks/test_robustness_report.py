"""Figures of robustness on scores whose truth is known: mPC, rPC, differences, gates, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infra.errors import UnknownCorruptionError, UsageError
from infra.gate_records import _brief
from tasks.robustness.cells import PEERS, Cell, Scores, cells_of, rows_of
from tasks.robustness.gates import MIN_NO_HARM, robustness_gates
from tasks.robustness.picture import robustness_picture
from tasks.robustness.remarks import WHY_NOT, remarks_of
from tasks.robustness.report import EVERY, HELD_OUT, TRAINED, Robustness
from tasks.training.recipe import Gate

CHANCE = 0.1
SCORES = {
    # corruption, severity: what two sessions score; undamaged is always the last number
    ("gauss", 1): (0.8, 0.6, 0.8),
    ("gauss", 3): (0.4, 0.2, 0.8),
    ("motion", 1): (0.8, 0.8, 0.8),
    ("motion", 3): (0.6, 0.8, 0.8),
}


def rows(
    application: str, scores: dict[tuple[str, int], tuple[float, ...]], peer: float = 0.5
) -> list[dict[str, Any]]:
    """Return rows of the model and of its peer, which is the same everywhere."""
    found = []
    for (corruption, severity), (*values, undamaged) in scores.items():
        for number, value in enumerate(values):
            for method, one in (("model", value), (PEERS[application], peer), ("chance", CHANCE)):
                cell = Cell(corruption, severity, "all")
                found.append(
                    {
                        "cell_id": cell.id("d", "j"),
                        "corruption": corruption,
                        "severity": severity,
                        "scope": "all",
                        "application": application,
                        "session_id": f"s{number}",
                        "session": f"session {number}",
                        "method": method,
                        "measure": "",
                        "value": one,
                        "undamaged": undamaged if method == "model" else one,
                        "pieces": 3,
                        "absent": None,
                    }
                )
    return found


def test_mpc_is_the_mean_over_types_of_means_over_severities() -> None:
    """Types that training sees and those it does not are told apart; rPC is the share that is left.

    Of the distiller gauss is a trained type: means over sessions .7 and .3. Of motion, .8 and .7.
    """
    found = Robustness("distiller", rows("retrieval", SCORES))
    assert found.mpc("retrieval", TRAINED) == pytest.approx(0.5)
    assert found.mpc("retrieval", HELD_OUT) == pytest.approx(0.75)
    assert found.mpc("retrieval", EVERY) == pytest.approx(0.625)
    assert found.rpc("retrieval") == pytest.approx(0.625 / 0.8)
    assert found.mpc("retrieval", sessions=["s0"]) == pytest.approx((0.6 + 0.7) / 2)
    assert found.mpc("retrieval", method="chance") == pytest.approx(0.1)
    (row, *_) = [r for r in found.summary() if r["types"] == EVERY]
    assert row["no_harm_rate"] is None
    assert row["worst_loss"] == pytest.approx(-0.6)
    assert found.metrics()["robust.retrieval.mpc"] == pytest.approx(0.625)
    assert found.metrics()["robust.retrieval.held_out.rpc"] == pytest.approx(0.75 / 0.8)


def test_a_share_of_what_is_no_better_than_chance_is_not_told() -> None:
    """Codes that find nothing lose nothing: there is no rPC, and a sentence says why."""
    blind = {("gauss", 1): (0.09, 0.11, CHANCE), ("motion", 1): (0.1, 0.2, 0.3)}
    found = Robustness("distiller", rows("retrieval", blind))
    assert np.isnan(found.rpc("retrieval", TRAINED))
    assert found.rpc("retrieval", HELD_OUT) == pytest.approx(0.5)
    assert remarks_of(found)[1] == (
        "Retrieval under types trained on: undamaged it is no better than chance, "
        "so there is no rPC."
    )
    summary = {row["types"]: row for row in found.summary() if row["session"] == "all"}
    assert summary[TRAINED]["rpc"] is None
    assert summary[TRAINED]["floor"] == pytest.approx(CHANCE)


def test_decibels_are_differences_and_never_ratios() -> None:
    """Mean and worst, to undamaged and to the peer; a loss of .05 dB is no harm, .06 is."""
    scores = {("gauss", 1): (20.0, 19.95, 21.0), ("fog", 5): (19.94, 25.0, 21.0)}
    found = Robustness("super-resolution", rows("super-resolution", scores, peer=20.0))
    assert found.no_harm_rate("super-resolution") == 0.75
    assert found.no_harm_rate("super-resolution", session="s0") == 0.5
    (row, *_) = [r for r in found.summary() if r["types"] == EVERY]
    assert row["rpc"] is None
    assert row["mean_loss"] == pytest.approx(np.mean([-1, -1.05, -1.06, 4]))
    assert row["worst_loss"] == pytest.approx(-1.06)
    assert row["worst_over_peer"] == pytest.approx(-0.06)
    assert row["mean_over_peer"] == pytest.approx(np.mean([0, -0.05, -0.06, 5]))
    assert "robust.super_resolution.rpc" not in found.metrics()
    assert found.metrics()["robust.super_resolution.trained_on.worst_over_peer"] < 0


def test_what_is_absent_few_or_beaten_is_said() -> None:
    """An application without a score has its reason, another its two sessions and its peer."""
    row = rows("action", {("gauss", 1): (0.0, 0.0)})[0]
    row |= {"value": None, "undamaged": None, "absent": "no training session has labels"}
    found = Robustness("distiller", [*rows("retrieval", SCORES), row])
    assert remarks_of(found) == [
        "Action was not judged: no training session has labels.",
        "Retrieval: 2 held-out sessions; under 6 no claim of significance is made.",
        "Retrieval: pca is better under gauss 3.",
    ]
    assert found.applications == ("retrieval", "action")
    assert not found.kinds("action")


def test_sessions_in_which_a_corruption_cannot_be_are_named() -> None:
    """One camera can neither be late nor be missed; that it has no score there is said."""
    shifted = rows("view", {("time_shift", 1): (0.5, 0.5, 0.5), ("view_drop", 1): (0.5, 0.5, 0.5)})
    found = Robustness(
        "distiller",
        [*rows("view", SCORES), *(row for row in shifted if row["session_id"] == "s1")],
    )
    said = [sentence for sentence in remarks_of(found) if "session 0" in sentence]
    assert said == [
        f"View in session 0: not judged under {name}; {WHY_NOT[name]}."
        for name in ("time_shift", "view_drop")
    ]
    assert not any("session 1" in sentence for sentence in remarks_of(found))


def test_rows_are_means_over_the_pieces_that_both_were_scored_on() -> None:
    """A piece that was lost to damage is not counted before it either; what has none is said."""
    before, after = Scores(), Scores(absent={"view": "one camera alone", "target": "?"})
    for piece, value in (("a", 10.0), ("b", 20.0)):
        before.add("target", "s", "model", (piece, 0, "", 0), value)
    after.add("target", "s", "model", ("b", 0, "", 0), 15.0)
    after.add("target", "s", "model", ("a", 0, "", 0), float("nan"))
    target, view = rows_of(after, before, {"s": "the session"})
    assert (target["value"], target["undamaged"], target["pieces"]) == (15.0, 20.0, 1)
    assert (view["value"], view["absent"]) == (None, "one camera alone")


def test_cells_are_those_that_were_asked_for() -> None:
    """Core is 9 types at 3 severities; full has every scope of what is done to pictures."""
    assert len(cells_of("core")) == 27
    assert len(cells_of("full")) == 5 * (3 * 21 + 2)
    assert len(cells_of("full", rig=False)) == 5 * 23
    assert cells_of("core", ("fog",), (2,)) == (Cell("fog", 2, "all"),)
    ids = {one.id("d", "j") for one in cells_of("full")}
    assert len(ids) == len(cells_of("full"))
    assert not ids & {one.id("e", "j") for one in cells_of("full")}
    with pytest.raises(UsageError, match="there are core, full"):
        cells_of("some")
    with pytest.raises(UnknownCorruptionError, match="there are 1, 2, 3, 4, 5"):
        cells_of("core", (), (0,))


def test_a_version_must_be_above_its_floor_and_no_worse_than_the_champion() -> None:
    """Accuracies above chance, pictures unharmed in half of the cells, neither below before."""
    good = Robustness("distiller", [*rows("retrieval", SCORES), *rows("view", SCORES, peer=0.7)])
    worse = {key: tuple(x - 0.2 for x in values) for key, values in SCORES.items()}
    bad = Robustness("distiller", [*rows("retrieval", worse), *rows("view", worse, peer=0.7)])
    names = ["robust_view_no_harm", "robust_retrieval_mpc"]
    alone = {gate.name: gate for gate in robustness_gates(good, None)}
    assert set(alone) == {*names, *(f"{name}_over_champion" for name in names)}
    assert all(gate.passed for gate in alone.values())
    assert alone["robust_view_no_harm"].value == pytest.approx(0.5)
    assert alone["robust_view_no_harm"].threshold == MIN_NO_HARM
    assert alone["robust_retrieval_mpc"].threshold == pytest.approx(0.1)
    found = {gate.name: gate.passed for gate in robustness_gates(bad, good)}
    assert found == {
        "robust_view_no_harm": False,
        "robust_view_no_harm_over_champion": False,
        "robust_retrieval_mpc": True,
        "robust_retrieval_mpc_over_champion": False,
    }
    assert all(gate.passed for gate in robustness_gates(good, bad))
    assert all(gate.passed for gate in robustness_gates(good, good))


def test_a_gate_that_was_not_measured_passes_and_says_so() -> None:
    """Its value is none, its sentence says why, and its tag does not read "passed"."""
    ours = Robustness("distiller", rows("retrieval", SCORES))
    found = {gate.name: gate for gate in robustness_gates(ours, "3 of 27 cells")}
    gate = found["robust_retrieval_mpc_over_champion"]
    assert gate.passed
    assert gate.value is None
    assert gate.said == "of the champion: 3 of 27 cells"
    assert _brief(gate.to_dict()) == "none 0 not measured"
    assert _brief(Gate.of("x", None, "above", 0.0).to_dict()) == "none 0 failed"


def test_the_picture_shows_what_is_worse_in_red() -> None:
    """A cell a line and severity, twice: to undamaged and to the peer; nothing is a blank."""
    scores = {("gauss", 1): (20.0, 23.0), ("gauss", 5): (26.0, 23.0), ("fog", 1): (23.0, 23.0)}
    picture = robustness_picture(
        Robustness("distiller", rows("target", scores, peer=23.0)), "target", "distiller v1"
    )
    red, blue = (
        (picture.astype(int) - other).__abs__().sum(axis=2) < 30
        for other in ((214, 69, 40), (38, 120, 150))
    )
    # The largest difference is a full colour: one cell of each on each side.
    assert red.sum() == pytest.approx(2 * 58 * 26, rel=0.25)
    assert blue.sum() == pytest.approx(2 * 58 * 26, rel=0.25)
    with pytest.raises(ValueError, match="no cell of view"):
        robustness_picture(Robustness("distiller", []), "view", "")
