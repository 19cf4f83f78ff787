"""Gates of the distiller: baselines, champion, budgets, on scores whose truth is known."""

from __future__ import annotations

import dataclasses

import pytest

from tasks.distiller.evaluation import BASELINES, HEADLINE, MEASURES, DistillerEvaluation
from tasks.distiller.gates import (
    baseline_gates,
    budget_gates,
    champion_gates,
    distiller_gates,
)
from tasks.judging.window_score import MODEL, Application, Setting, WindowScore

COST = {
    "window_steps": 8.0,
    "encode_ms_1": 40.0,
    "encode_ms_4": 100.0,
    "peak_rss_bytes": 2.0 * 2**30,
}


def evaluation(
    gains: dict[Application, list[float]],
    *,
    setting: Setting = "new_rig",
    threads: int = 1,
    cost: dict[str, float] = COST,
) -> DistillerEvaluation:
    """Scores in which the model is better than every baseline by one number a session.

    Each session has two pieces, .1 above and .1 below it.
    """
    scores = []
    for application, sessions in gains.items():
        for number, gain in enumerate(sessions):
            for piece, aside in enumerate((-0.1, 0.1)):
                for method in (MODEL, *BASELINES[application]):
                    value = 20 + (gain + aside if method == MODEL else 0.0)
                    measures = dict.fromkeys(MEASURES[application], value)
                    clip = f"clip-{number}"
                    where = (f"s{number}", f"session {number}", clip, piece, "camera-1", 1)
                    scores.append(WindowScore(setting, application, method, *where, measures))
    return DistillerEvaluation("fp32", threads, tuple(scores), cost)


def failed(gates: tuple) -> list[str]:
    """Names of the gates that did not pass."""
    return [gate.name for gate in gates if not gate.passed]


def test_every_mandatory_baseline_has_its_gate() -> None:
    """All three applications, each baseline by name, with the interval and how sure it is."""
    found = baseline_gates(
        evaluation({name: [0.5] * 7 for name in ("target", "view", "retrieval", "dropout")})
    )
    expected = [f"{a}_over_{b}" for a in ("target", "view", "retrieval") for b in BASELINES[a]]
    assert [gate.name for gate in found] == expected
    assert all(gate.passed and gate.value == 0.5 for gate in found)
    low, high = found[0].interval or (0, 0)
    assert 0.4 <= low < 0.5 < high <= 0.6
    assert "7 sessions; significant" in found[0].said


def test_a_tie_is_no_win() -> None:
    """Equal on the mean over sessions fails, however the sessions differ."""
    assert failed(baseline_gates(evaluation({"target": [0.5, -0.5]}))) == [
        f"target_over_{name}" for name in BASELINES["target"]
    ]
    assert not failed(baseline_gates(evaluation({"target": [0.5, -0.4]})))


def test_what_was_not_held_out_is_not_judged() -> None:
    """Without rigs there are targets alone; later times of training rigs stand in for nothing."""
    assert {gate.name for gate in baseline_gates(evaluation({"target": [1.0]}))} == {
        f"target_over_{name}" for name in BASELINES["target"]
    }
    later = baseline_gates(evaluation({"target": [1.0]}, setting="same_rig"))
    assert failed(later) == [f"target_over_{name}" for name in BASELINES["target"]]
    assert all(gate.value is None for gate in later)


@pytest.mark.parametrize(
    ("differences", "passed", "says"),
    [
        ([0.0] * 3, True, "the mean alone decides"),  # an equal model may replace its equal
        ([-0.02] * 3, False, "the mean alone decides"),  # no margin where nothing can be told
        ([0.5, 0.5, -0.9], True, "the mean alone decides"),
        ([0.1] * 7, True, "significant"),
        ([-0.02] * 7, True, "not significant"),  # small, and the interval reaches 0
        ([-0.3, -0.3, -0.3, 0.3, 0.3, 0.3, -0.2], True, "not significant"),
        ([-0.3, -0.3, -0.3, 0.3, 0.3, 0.3, -0.5], False, "not significant"),  # more than a margin
        ([-0.5] * 7, False, "lies below 0"),
    ],
)
def test_no_worse_than_the_champion(differences: list[float], *, passed: bool, says: str) -> None:
    """Pairs of the same windows; few sessions by their mean, many by mean and interval."""
    champion = evaluation({"target": [1.0] * len(differences)})
    challenger = evaluation({"target": [1.0 + x for x in differences]})
    # What the pieces of a session have in common is no noise: make them differ.
    rows = [
        dataclasses.replace(
            one,
            measures={
                k: x + (0.2 * (one.first - 0.5) if one.method == MODEL else 0)
                for k, x in one.measures.items()
            },
        )
        for one in challenger.scores
    ]
    challenger = dataclasses.replace(challenger, scores=tuple(rows))
    (found,) = champion_gates(challenger, champion)
    assert found.name == "target_over_champion"
    assert found.value == pytest.approx(sum(differences) / len(differences), abs=1e-4)
    assert (found.passed, says in found.said) == (passed, True), found


def test_a_small_loss_that_is_certain_refuses() -> None:
    """Within the margin, but on every window of every session: the interval lies below 0."""
    champion = evaluation({"target": [1.0] * 7})
    (found,) = champion_gates(evaluation({"target": [0.98] * 7}), champion)
    assert (found.value, found.threshold, found.passed) == (-0.02, -0.05, False)
    assert "lies below 0" in found.said


def test_without_a_champion_or_on_other_windows() -> None:
    """Nobody to be worse than passes; what was judged on other windows cannot be compared."""
    ours = evaluation({"target": [1.0], "retrieval": [0.1]})
    assert not failed(champion_gates(ours, None))
    other = evaluation({"target": [1.0, 1.0], "retrieval": [0.1]})
    found = champion_gates(ours, other)
    assert failed(found) == ["target_over_champion"]
    assert "not judged on the same windows" in found[0].said


def test_budgets_are_of_one_core_and_one_camera() -> None:
    """The worst number of cameras counts, for a step of one; what was not measured fails."""
    time_gate, memory = budget_gates(evaluation({"target": [1.0]}))
    assert (time_gate.value, time_gate.threshold, time_gate.passed) == (5.0, 20.0, True)
    assert "of 1 cameras" in time_gate.said
    assert (memory.value, memory.threshold, memory.passed) == (2.0, 4.0, True)
    slow = COST | {"encode_ms_4": 4 * 8 * 20.1}
    assert failed(budget_gates(evaluation({"target": [1.0]}, cost=slow))) == ["encode_ms_per_step"]
    large = COST | {"peak_rss_bytes": 5.0 * 2**30}
    assert failed(budget_gates(evaluation({"target": [1.0]}, cost=large))) == ["peak_rss_gib"]
    assert len(failed(budget_gates(evaluation({"target": [1.0]}, cost={})))) == 2


def test_all_gates_together_have_names_of_their_own() -> None:
    """Tags are named after them."""
    ours = evaluation({"target": [1.0], "view": [1.0], "retrieval": [0.1]})
    names = [gate.name for gate in distiller_gates(ours, None)]
    assert len(set(names)) == len(names)
    assert HEADLINE["target"] == "fg_psnr"  # what the margins are stated in
