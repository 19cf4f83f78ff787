"""Scores of a distiller beside their baselines: refusals, means, names, JSON, remarks."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from infra.errors import MissingBaselineError
from tasks.distiller.evaluation import BASELINES, DistillerEvaluation
from tasks.judging.window_score import MODEL, Application, Setting, WindowScore


def score(
    method: str,
    value: float,
    *,
    session: str = "a",
    first: int = 0,
    camera: str = "c",
    given: int = 1,
    application: Application = "target",
    setting: Setting = "new_rig",
) -> WindowScore:
    """Return one row of which every measure is `value`, as an application names them."""
    names = ("fg_psnr", "psnr") if application in ("target", "view") else ("r_at_1", "map")
    return WindowScore(
        setting,
        application,
        method,
        session,
        f"the session {session}",
        f"clip-{session}",
        first,
        camera,
        given,
        dict.fromkeys(names, value),
    )


def pieces(model: float, baseline: float, **given: object) -> list[WindowScore]:
    """Return a piece with all that its application must have, every baseline at one value."""
    application: Application = given.get("application", "target")  # type: ignore[assignment]
    found = [score(MODEL, model, **given)]  # type: ignore[arg-type]
    return [
        *found,
        *(score(name, baseline, **given) for name in BASELINES[application]),  # type: ignore[arg-type]
    ]


def evaluation(*scores: list[WindowScore]) -> DistillerEvaluation:
    """Return the evaluation of some rows."""
    flat = tuple(one for some in scores for one in some)
    return DistillerEvaluation("fp32", 1, flat, {"encode_ms_2": 3.0})


@pytest.mark.parametrize("application", BASELINES)
def test_no_piece_without_its_baselines(application: Application) -> None:
    """Whichever method of whichever application is gone, the result cannot be built."""
    whole = pieces(2, 1, application=application)
    for gone in whole:
        without = [one for one in whole if one is not gone]
        with pytest.raises(MissingBaselineError, match=f"no score for {gone.method}"):
            evaluation(without)
    with pytest.raises(MissingBaselineError, match="No window"):
        evaluation()
    with pytest.raises(ValueError, match="twice"):
        evaluation(whole, [whole[1]])


def test_baselines_of_another_piece_do_not_count() -> None:
    """The same camera with other cameras given, or in the other setting, is another piece."""
    for other in ({"given": 2}, {"setting": "same_rig"}, {"first": 8}, {"camera_id": "d"}):
        rows = pieces(2, 1)
        moved = [replace(one, **other) if one.method == "pca" else one for one in rows]
        with pytest.raises(MissingBaselineError, match="pca"):
            evaluation(moved)


def test_means_are_of_pieces_then_of_sessions() -> None:
    """A session of two pieces weighs as much as a session of one."""
    found = evaluation(
        pieces(30, 20), pieces(34, 20, first=8), pieces(40, 41, session="b", camera="d")
    )
    assert found.session_mean("a", "new_rig", "target", MODEL, "psnr") == pytest.approx(32)
    assert found.mean("new_rig", "target", MODEL, "psnr") == pytest.approx(36)
    assert found.gain("new_rig", "target", "median") == pytest.approx((12 - 1) / 2)
    assert found.values("new_rig", "target", MODEL, "psnr") == {
        "a": {("clip-a", 0, "c", 1): 30.0, ("clip-a", 8, "c", 1): 34.0},
        "b": {("clip-b", 0, "d", 1): 40.0},
    }


def test_what_is_no_number_does_not_count() -> None:
    """A still piece has no foreground: it is left out of the mean, and a session of such too."""
    found = evaluation(
        pieces(30, 20), pieces(math.nan, math.nan, first=8), pieces(math.nan, math.nan, session="b")
    )
    assert found.mean("new_rig", "target", MODEL, "fg_psnr") == 30
    assert found.gain("new_rig", "target", "pca") == 10
    still = evaluation(pieces(math.nan, math.nan))
    assert math.isnan(still.mean("new_rig", "target", MODEL, "fg_psnr"))
    assert still.interval("new_rig", "target", "pca") is None
    assert "heldout.new_rig.target.fg_psnr" not in still.metrics()
    assert still.table()[0]["fg_psnr"] == ""


def test_it_says_how_many_pieces_stand_still() -> None:
    """They have a PSNR and no foreground PSNR."""
    rows = [replace(one, measures={"psnr": 40.0, "fg_psnr": math.nan}) for one in pieces(1, 1)]
    said = evaluation(rows, pieces(30, 20, session="b")).remarks()
    assert any("nothing moves in 1 of 2 pieces" in one for one in said)


def test_json_gives_it_back_and_has_no_nan() -> None:
    """Scores, cost and derived figures are equal; not-a-number is null; no baselines, no result."""
    found = evaluation(pieces(30, 20), pieces(math.nan, 1, session="b", setting="same_rig"))
    text = found.to_json()
    assert "NaN" not in text
    again = DistillerEvaluation.from_json(text)
    assert again.metrics() == found.metrics()
    assert again.remarks() == found.remarks()
    assert again.to_json() == text
    assert math.isnan(again.scores[-3].measures["psnr"])
    data = json.loads(text)
    data["scores"] = [one for one in data["scores"] if one["method"] != "median"]
    with pytest.raises(MissingBaselineError, match="median"):
        DistillerEvaluation.from_json(json.dumps(data))


def test_metrics_are_flat_and_split_into_model_and_baselines() -> None:
    """The registry's names are fixed; together they are `metrics()`."""
    found = evaluation(
        pieces(30, 20),
        pieces(0.5, 0.25, application="dropout", given=1),
        pieces(0.75, 0.5, application="dropout", given=2),
    )
    metrics = found.metrics()
    assert metrics == found.model_metrics() | found.baseline_metrics()
    assert not set(found.model_metrics()) & set(found.baseline_metrics())
    assert metrics["heldout.new_rig.target.fg_psnr"] == 30
    assert metrics["heldout.new_rig.target.gain_over_median_db"] == 10
    assert metrics["heldout.new_rig.target.median.psnr"] == 20
    assert metrics["heldout.new_rig.dropout.gain_over_late_mean"] == pytest.approx(0.25)
    assert metrics["heldout.new_rig.dropout.given_2.map"] == 0.75
    assert metrics["heldout.new_rig.dropout.late_mean.given_1.map"] == 0.25
    assert metrics["heldout.new_rig.target.sessions"] == 1
    assert metrics["heldout.new_rig.dropout.pieces"] == 2
    assert metrics["heldout.cost.encode_ms_2"] == 3.0


def test_the_table_has_every_session_and_the_means_last() -> None:
    """All rows have the same keys; what an application does not measure is blank."""
    extra = [score("patch_pca", 25), score("patch_pca", 25, session="b")]
    found = evaluation(
        pieces(30, 20),
        pieces(31, 21, session="b"),
        extra,
        pieces(0.5, 0.25, application="dropout"),
    )
    rows = found.table()
    assert len({tuple(row) for row in rows}) == 1
    assert [(row["session"], row["method"]) for row in rows if row["application"] == "target"] == [
        (session, method)
        for session in ("the session a", "the session b", "mean over sessions")
        for method in (MODEL, "median", "pca", "patch_pca")
    ]
    assert [row["session_id"] for row in rows[-7:]] == [""] * 7
    assert rows[0]["map"] == ""
    assert rows[-1]["fg_psnr"] == ""
    assert json.dumps(rows, allow_nan=False)


def test_remarks_name_every_peer_that_is_better() -> None:
    """A stronger baseline or extra is named with its margin, and so is a lost combiner."""
    rows = [*pieces(30, 29), score("patch_pca", 32.5)]
    lost = pieces(0.5, 0.6, application="dropout")
    said = evaluation(rows, lost).remarks()
    assert any("patch_pca beats the model by 2.5 dB foreground PSNR" in one for one in said)
    assert any("the combiner loses to the late mean by 0.1" in one for one in said)
    assert not any("median beats" in one for one in said)
    even = evaluation(pieces(30, 30)).remarks()
    assert any("no better than median" in one for one in even)


def test_remarks_say_what_was_not_judged_and_what_may_not_be_claimed() -> None:
    """Few sessions: no significance. No session of several cameras: no view synthesis."""
    said = evaluation(pieces(30, 20)).remarks()
    assert any("target 1; under 6 no claim of significance" in one for one in said)
    assert any("view synthesis, retrieval, dropout were not judged" in one for one in said)
    assert any("No training rig" in one for one in said)
    said = evaluation(pieces(30, 20, setting="same_rig")).remarks()
    assert any("No session was held out" in one for one in said)


def test_of_six_sessions_the_closest_peer_is_compared_with_its_interval() -> None:
    """Twelve sessions that all gain about 2 dB over one baseline and more over the other."""
    rows = []
    for k in range(12):
        mine = pieces(30 + k % 3 * 0.1, 25, session=f"s{k}")
        rows.append(
            [replace(x, measures={"fg_psnr": 28.0}) if x.method == "pca" else x for x in mine]
        )
    said = evaluation(*rows).remarks()
    (claim,) = [one for one in said if "closest peer" in one]
    assert "over pca" in claim
    assert claim.endswith("significant.")
    assert "not significant" not in claim
    assert not any("no claim" in one for one in said)
