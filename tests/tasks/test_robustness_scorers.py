"""What is asked under damage: without damage the answers are those that evaluation gives."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from filled_rows import filled
from retrieval_windows import picture, pictures_only, window

from catalog.schemas.files import FILES
from catalog.schemas.labels import LABELS
from catalog.schemas.sessions import SESSIONS
from infra.settings import Settings
from models.distiller import Distiller
from models.distiller_config import PRESETS
from tasks.judging.dropout_scores import dropout_scores
from tasks.judging.picture_scores import PictureJudge
from tasks.judging.retrieval_scores import retrieval_scores
from tasks.judging.window_score import MODEL
from tasks.robustness.cells import Scores, rows_of
from tasks.robustness.scorers import (
    MAJORITY,
    ActionScorer,
    DropScorer,
    PictureScorer,
    SearchScorer,
)
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.judging.window_score import WindowScore
    from tasks.windows.sets import Window


@pytest.fixture(scope="module")
def net() -> Distiller:
    """The ci preset, untrained, in evaluation mode."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Distiller(PRESETS["ci"]).eval()
    model.codec.tabulate()
    return model


def rig(session: str, count: int, cameras: int, seed: int) -> list[Window]:
    """Return windows of pictures alone, no two alike, of which each step is a little brighter."""
    found = []
    for k in range(count):
        shown = [picture(1000 * seed + 10 * k + v) // 2 for v in range(cameras)]
        one = pictures_only(window(session, k, shown))
        one.tensors["rgb"][:, :, 1] += 40
        found.append(one)
    return found


@pytest.fixture(scope="module")
def fit() -> list[Window]:
    """Windows of a training session."""
    return rig("train", 4, 3, seed=7)


@pytest.fixture(scope="module")
def judged() -> list[Window]:
    """Windows of two held-out sessions, of three cameras and of one."""
    return [*rig("held", 3, 3, seed=1), *rig("alone", 2, 1, seed=2)]


def same_as(scores: Scores, expected: list[WindowScore], measure: str, methods: set[str]) -> None:
    """Hold scores against those of an evaluation, method by method and piece by piece."""
    found = {
        (application, session, method, piece[:3]): value
        for (application, session, method), values in scores.found.items()
        for piece, value in values.items()
        if method in methods
    }
    wanted = {
        (s.application, s.session_id, s.method, (s.clip_id, s.first, s.camera_id)): s.measures[
            measure
        ]
        for s in expected
        if s.method in methods and not np.isnan(s.measures[measure])
    }
    assert found == pytest.approx(wanted)
    assert found


def test_undamaged_pictures_score_as_they_do_in_an_evaluation(
    net: Distiller, fit: list[Window], judged: list[Window]
) -> None:
    """Target and view, the model and its peers, camera by camera."""
    scores = Scores()
    PictureScorer(net, "fp32", fit, judged, 64).score(scores, judged)
    expected = list(PictureJudge.fitted(net, fit, 64).scores(net, judged, "new_rig", "fp32"))
    same_as(scores, expected, "fg_psnr", {MODEL, "pca", "blend", "nearest"})
    assert {key[0] for key in scores.found} == {"target", "view"}


def test_undamaged_searches_score_as_they_do_in_an_evaluation(
    net: Distiller, fit: list[Window], judged: list[Window]
) -> None:
    """Every query by the model, linear codes, pixels and by lot, whether or not all are damaged."""
    expected = retrieval_scores(net, fit, judged, "new_rig", "fp32")
    search = SearchScorer(net, "fp32", fit, judged)
    for alone in (True, False):
        scores = Scores()
        search.score(scores, judged, alone=alone)
        same_as(scores, expected, "map", {MODEL, "pca", "pixels", "chance"})


def test_only_the_camera_that_asks_is_damaged_where_one_is(
    net: Distiller, fit: list[Window], judged: list[Window]
) -> None:
    """Cameras that all turn black find nothing; those that cannot be damaged ask nothing."""
    black: list[Window | None] = []
    for one in judged:
        tensors = one.tensors | {"rgb": torch.zeros_like(one.tensors["rgb"])}
        black.append(type(one)(one.session_id, "", one.clip_id, one.first, one.cameras, tensors))
    scores = Scores()
    SearchScorer(net, "fp32", fit, judged).score(scores, [None, *black[1:]], alone=True)
    asked = {piece[0] for piece in scores.found["retrieval", "held", MODEL]}
    assert asked == {one.clip_id for one in judged[1:3]}
    # Equal pixels everywhere: all answers tie, and ties are ranked against the method.
    found = fmean(scores.found["retrieval", "held", "pixels"].values())
    assert found < fmean(scores.found["retrieval", "held", "chance"].values())


def test_dropped_cameras_score_as_on_the_dropout_curve(
    net: Distiller, judged: list[Window]
) -> None:
    """Two of three cameras, and all of them; sessions of one camera ask nothing."""
    expected = dropout_scores(net, (), judged, "new_rig", "fp32")
    drop = DropScorer(net, "fp32", judged)
    for level, given in ((1.0, 2), (5.0, 1), (None, 3)):
        scores = Scores()
        drop.score(scores, level)
        for method in (MODEL, "late_mean", "concat_zeros"):
            wanted = [s.measures["map"] for s in expected if (s.method, s.given) == (method, given)]
            found = scores.found["dropout", "held", method].values()
            assert fmean(found) == pytest.approx(fmean(wanted))
        assert not any(session == "alone" for _, session, _ in scores.found)


def turned(number: int, amount: int) -> Window:
    """Return a session of one window that darkens (odd) or brightens by so much."""
    one = pictures_only(window(f"s{number}", 0, [picture(number), picture(99)]))
    shift = torch.tensor([amount, -amount]) * (1 if number % 2 else -1)
    rgb = one.tensors["rgb"].float() * 0.5 + 60 + shift[:, None, None, None]
    one.tensors["rgb"] = rgb.to(torch.uint8)
    return one


def label(run: FlowRun, one: Window, said: str) -> None:
    """Put a session in the catalog of which every recording bears a label."""
    held = [f"{one.session_id}{name}" for name in one.cameras]
    pairs = list(zip(one.cameras, held, strict=True))
    cameras = [{"camera_id": name, "recording_id": r, "offset_ns": 0} for name, r in pairs]
    row = {"session_id": one.session_id, "name": one.session_id, "cameras": cameras}
    run.catalog.commit(SESSIONS, [filled(SESSIONS) | row | {"split": "train"}])
    sight = {"member": one.session_id, "session_id": one.session_id, "recordings": held}
    run.catalog.commit(FILES, [filled(FILES) | sight | {"status": "present"}])
    labels = [filled(LABELS) | {"recording_id": r, "label": said} for r in held]
    run.catalog.commit(LABELS, labels)


def test_actions_are_told_where_there_are_labels(net: Distiller, tmp_path: Path) -> None:
    """What brightens and what darkens is told apart until it stands still; no labels is said."""
    every = [turned(number, 60) for number in range(20)]
    fit, judged = every[:14], every[14:]
    run = FlowRun("test", Settings(home=tmp_path))
    none = ActionScorer(net, "fp32", fit, judged, run.catalog.snapshot())
    assert none.absent == "no training session has labels"
    none.score(Scores(), judged)
    for number, one in enumerate(every):
        label(run, one, "darkens" if number % 2 else "brightens")
    action = ActionScorer(net, "fp32", fit, judged, run.catalog.snapshot())
    before, after = Scores(), Scores()
    action.score(before, judged)
    action.score(after, [turned(number, 0) for number in range(14, 20)])
    rows = rows_of(after, before, {})
    ours = [row for row in rows if row["method"] == MODEL]
    assert len(ours) == 6
    assert fmean(row["undamaged"] for row in ours) > 0.9
    assert fmean(row["value"] for row in ours) <= 0.67
    assert fmean(row["value"] for row in rows if row["method"] == MAJORITY) == 0.5
