"""The ablation ladder's folds, its choice of one view, and its table, on results that are known."""

from __future__ import annotations

import json
import math

import pytest
from ladder import (
    BEST,
    COMBINER,
    MEAN,
    MEASURES,
    RUNGS,
    SETTINGS,
    SINGLE,
    VIEWS,
    Outcome,
    Sessions,
    best_baselines,
    folds_of,
    table,
    verdict,
    with_best_single,
)

from models.distiller import Distiller
from models.distiller_config import PRESETS, DistillerConfig

SESSIONS = [
    Sessions("c1", "caliscope/take", "gc", 4),
    Sessions("c2", "caliscope/calibration", "gc", 4),
    Sessions("p1", "pose2sim/take_1", "gp", 4),
    Sessions("p2", "pose2sim/take_2", "gp2", 4),
    Sessions("h1", "handpose3d/test", "gh", 2),
    Sessions("s1", "intel/walk", "gs", 1),
    Sessions("s2", "copies/of_take", "gc", 1),  # shows what a camera of the rig showed
]


def outcome(fold: str, rung: str, value: float, later: float = 0.0, steps: int = 100) -> Outcome:
    """One rung that has the same value in every measure."""
    values = {
        "new_rig": dict.fromkeys(MEASURES, value),
        "same_rig": dict.fromkeys(MEASURES, later),
    }
    baselines = {setting: dict.fromkeys(MEASURES, 0.5) for setting in SETTINGS}
    names = {setting: dict.fromkeys(MEASURES, "median") for setting in SETTINGS}
    return Outcome(fold, rung, 2_000_000, steps, 90.0, 1.0, values, baselines, names)


def test_a_fold_holds_out_a_rig_and_all_that_is_akin_to_it() -> None:
    """Its sessions are judged; what shares footage with them is neither judged nor learnt from."""
    folds = {fold.rig: fold for fold in folds_of(SESSIONS)}
    assert set(folds) == {"caliscope", "pose2sim", "handpose3d"}
    assert folds["caliscope"].heldout == {"c1", "c2"}
    assert folds["caliscope"].train == {"p1", "p2", "h1", "s1"}
    assert folds["pose2sim"].heldout == {"p1", "p2"}
    assert folds["pose2sim"].train == {"c1", "c2", "h1", "s1", "s2"}
    for fold in folds.values():
        assert not fold.heldout & fold.train
    with pytest.raises(ValueError, match="folds need two of the rigs"):
        folds_of([s for s in SESSIONS if not s.name.startswith(("pose2sim", "handpose3d"))])


def test_every_rung_is_a_network() -> None:
    """Each changes the config in its own way, and is built."""
    import dataclasses

    configs = {
        rung: dataclasses.replace(PRESETS["ci"], **changed) for rung, changed in RUNGS.items()
    }
    assert configs[COMBINER] == PRESETS["ci"]
    assert len(set(configs.values())) == len(RUNGS)
    assert isinstance(configs[MEAN], DistillerConfig)
    for config in configs.values():
        assert Distiller(config).config == config


def test_the_single_view_is_chosen_where_the_rig_is_known() -> None:
    """Flow is best on training rigs: its value counts, though rgb's would have been higher."""
    some = [outcome("a", SINGLE + view, 3.0, later=1.0) for view in VIEWS if view != "flow"]
    found = with_best_single(
        [outcome("a", COMBINER, 9.0), *some, outcome("a", SINGLE + "flow", 2, 5)]
    )
    assert [one.rung for one in found] == [COMBINER, BEST]
    assert found[1].values["new_rig"] == dict.fromkeys(MEASURES, 2)
    assert found[1].values["same_rig"] == dict.fromkeys(MEASURES, 5)
    assert set(found[1].baseline_names["chosen"].values()) == {"flow"}


def test_the_table_has_a_row_a_rung_and_each_fold() -> None:
    """Mean first, the best in bold, baselines last; what was not measured is a dash."""
    rows = [
        outcome("a", COMBINER, 2.0),
        outcome("b", COMBINER, 4.0),
        outcome("a", MEAN, 1.0, steps=50),
        outcome("b", MEAN, math.nan, steps=70),
    ]
    lines = table(rows, "new_rig").splitlines()
    assert lines[0].startswith("| held-out rig | parameters | steps | target, fg PSNR |")
    assert lines[1].count("---") == lines[0].count("|") - 1
    assert lines[2].startswith("| combiner | 2.00 M | 100 | **3.00** (2.00, 4.00) |")
    assert lines[3].startswith("| late mean | 2.00 M | 60 | 1.00 (1.00, -) |")
    assert lines[4].startswith("| best baseline | - | - | 0.50 (0.50, 0.50) median |")
    lacking = table([*rows, outcome("a", "sum", 9.0)], "new_rig").splitlines()
    assert lacking[4].startswith("| sum | 2.00 M | 100 | 9.00 (9.00, -) |")
    assert lacking[2] == lines[2]
    assert lines[-1] == "Mean over folds, then each fold held out in turn: a, b."


def test_the_kill_criterion_is_said_in_words() -> None:
    """For each measure: by how much, and in how many folds; a fold without a number is none."""
    rows = [outcome(fold, COMBINER, value) for fold, value in (("a", 2.0), ("b", 1.0), ("c", 1.0))]
    rows += [outcome("a", MEAN, 1.0), outcome("b", MEAN, 1.5), outcome("c", MEAN, math.nan)]
    said = verdict(rows)
    assert len(said) == len(MEASURES)
    assert said[0].endswith("combiner beats the late mean, by +0.25; ahead in 1 of 2 folds.")
    assert (
        "does not beat the late mean, by -0.25"
        in verdict([outcome("a", COMBINER, 1.0), outcome("a", MEAN, 1.25)])[0]
    )


def test_outcomes_come_back_from_json() -> None:
    """What is not a number is null there, and not a number here."""
    one = outcome("a", MEAN, math.nan, later=1.5)
    text = json.dumps(one.to_dict(), allow_nan=False)
    back = Outcome.from_dict(json.loads(text))
    assert math.isnan(back.values["new_rig"]["target"])
    assert back.to_dict() == one.to_dict()


def test_the_best_baseline_is_the_highest_that_counts() -> None:
    """Methods without a number are no rivals; without any there is none."""
    figures = {"median": {"view": 14.0}, "blend": {"view": math.nan}, "pca": {"view": 15.5}}
    assert best_baselines(figures, "view") == ("pca", 15.5)
    name, value = best_baselines(figures, "target")
    assert not name
    assert math.isnan(value)
