"""View dropout: which sets of cameras are asked, and what a code made so that it is known finds."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from retrieval_windows import picture, window

from models.distiller import Distiller
from models.distiller_config import PRESETS
from tasks.judging.dropout_scores import BASELINES, CameraSets, dropout_scores, set_measures
from tasks.judging.retrieval_scores import CHANCE
from tasks.judging.window_score import MODEL
from tasks.windows.camera_sets import SETS_PER_SIZE, concat_zeros, late_mean, sets_of
from tasks.windows.moments import same_moment


def rows(masks: np.ndarray) -> set[tuple[int, ...]]:
    """Return sets of cameras as tuples."""
    return {tuple(np.flatnonzero(mask).tolist()) for mask in masks}


def test_of_few_cameras_every_set_is_asked() -> None:
    """Up to five seen cameras have all 2^V - 1 sets, each once, all of them last."""
    for seen in ([1], [0, 1], [1, 1, 0, 1], [1] * 5):
        there = np.array(seen, bool)
        masks = sets_of(there, 0)
        assert len(rows(masks)) == len(masks) == 2 ** there.sum() - 1
        assert not masks[:, ~there].any()
        assert (masks[-1] == there).all()
    assert sets_of(np.zeros(3, bool), 0).shape == (0, 3)


def test_of_many_cameras_a_sample_of_each_size_with_its_rest() -> None:
    """Eight cameras: at most 8 sets of a size, single cameras all, and what is left of each."""
    there = np.ones(8, bool)
    masks = sets_of(there, 3)
    sizes = masks.sum(axis=1)
    for size in range(1, 9):
        assert (sizes == size).sum() == min(SETS_PER_SIZE, comb(8, size))
    assert {tuple(sorted({*range(8)} - {*one})) for one in rows(masks[:-1])} == rows(masks[:-1])
    assert (sets_of(there, 3) == masks).all()
    assert (sets_of(there, 4) != masks).any()


def test_late_mean_and_concatenation_by_hand() -> None:
    """Means of single cameras' codes have length 1; absent cameras are zeros in their place."""
    masks = sets_of(np.array([True, False, True]), 0)
    codes = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    np.testing.assert_allclose(late_mean(masks, codes), [[1, 0], [0, 1], [0.5**0.5, 0.5**0.5]])
    side = concat_zeros(masks, codes).reshape(3, 8, 2)
    np.testing.assert_array_equal(side[0, 0], [1, 0])
    np.testing.assert_array_equal(side[1, 2], [0, 1])
    np.testing.assert_array_equal(side[2, [0, 1, 2]], [[1, 0], [0, 0], [0, 1]])
    assert side[:2].sum() == 2


def handmade(windows: int, cameras: int) -> CameraSets:
    """Return every set of cameras of windows of one session."""
    masks = sets_of(np.ones(cameras, bool), 0)
    names = [frozenset(f"cam{k}" for k in np.flatnonzero(mask)) for mask in masks]
    shown = [window("a", n, [picture(10 * n + v) for v in range(cameras)]) for n in range(windows)]
    return CameraSets(
        shown,
        np.repeat(np.arange(windows), len(masks)),
        names * windows,
        same_moment(shown),
        np.ones((windows, windows), bool),
    )


def test_a_code_that_is_of_the_moment_alone_is_always_found() -> None:
    """One vector a window, whatever the cameras: recall 1 from any set, in both galleries."""
    sets = handmade(6, 3)
    moment = np.eye(6)[sets.window]
    found = set_measures(sets, moment)
    assert len(found) == 6 * 7
    for row, measures in found.items():
        assert set(measures.values()) == {1.0}
        assert ("rest_map" in measures) == (len(sets.names[row]) < 3)


def test_a_concatenation_finds_itself_and_never_the_rest() -> None:
    """All is found where the query lies in its answer; of unlike cameras, else none."""
    sets = handmade(6, 3)
    masks = sets_of(np.ones(3, bool), 0)
    rng = np.random.default_rng(0)
    single = rng.normal(size=(6, 3, 32))
    single /= np.linalg.norm(single, axis=2, keepdims=True)
    code = np.concatenate(
        [concat_zeros(masks, np.concatenate([one, np.zeros((4, 32))])) for one in single]
    )
    parts = [m for row, m in set_measures(sets, code).items() if len(sets.names[row]) < 3]
    assert {m["r_at_1"] for m in parts} == {1.0}
    assert {m["rest_r_at_5"] for m in parts} == {0.0}
    by_lot = [m for row, m in set_measures(sets, None).items() if len(sets.names[row]) < 3]
    assert [m["rest_r_at_1"] for m in by_lot] == pytest.approx([1 / 6] * 36)


def test_every_set_of_every_window_is_scored_by_every_method() -> None:
    """A real model: windows of 3, 2 and 1 cameras; the last is searched and asks nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = Distiller(PRESETS["ci"]).eval()
    counts = (("a", 0, 3), ("a", 1, 3), ("b", 0, 2), ("c", 0, 1))
    judged = [
        window(session, number, [picture(100 * k + v) for v in range(cameras)])
        for k, (session, number, cameras) in enumerate(counts)
    ]
    judged[1].tensors["mask_rgb"][:] = False
    scores = dropout_scores(net, [], judged, "same_rig", "fp32")
    methods = (MODEL, *BASELINES, CHANCE)
    assert {score.method for score in scores} == set(methods)
    for method in methods:
        own = [score for score in scores if score.method == method]
        assert len({score.piece for score in own}) == len(own) == 7 + 7 + 3
        for score in own:
            assert (score.setting, score.application) == ("same_rig", "dropout")
            assert score.given == len(score.camera_id.split("+"))
            assert all(np.isfinite(value) for value in score.measures.values())
            whole = score.given == (2 if score.session_id == "b" else 3)
            assert ("rest_r_at_1" in score.measures) != whole
            if whole and method != CHANCE:
                assert score.measures["r_at_1"] == 1.0
    assert not dropout_scores(net, [], judged[-1:], "same_rig", "fp32")
