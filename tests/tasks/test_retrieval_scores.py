"""Retrieval: what is right, what is not to be found, and what baselines can and cannot do."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from retrieval_windows import STEPS, picture, pictures_only, window

from models.distiller import Distiller
from models.distiller_config import PRESETS
from models.ranking import chance, retrieval
from tasks.codes.camera_codes import camera_codes, own_tensors
from tasks.judging.gallery import Gallery
from tasks.judging.retrieval_baselines import FROZEN, best_view, linear_peers, pixels
from tasks.judging.retrieval_scores import BASELINES, CHANCE, retrieval_scores
from tasks.judging.window_score import MODEL
from tasks.windows.features import PcaOfWindows, rows_of
from tasks.windows.moments import SharedPictures, overlapping

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.windows.sets import Window

    Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def net() -> Distiller:
    """The ci preset, untrained, in evaluation mode."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Distiller(PRESETS["ci"]).eval()
    model.codec.tabulate()
    return model


def rig(session: str, count: int, cameras: int, seed: int = 0) -> list[Window]:
    """Return windows of a session of which no two pictures are alike."""
    return [
        window(session, k, [picture(1000 * seed + 10 * k + v) for v in range(cameras)])
        for k in range(count)
    ]


def test_chance_is_what_random_orders_score_on_average() -> None:
    """Recall and average precision by the formula are those of 4,000 random similarities."""
    rng = np.random.default_rng(0)
    right = np.array([[1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0], [0] * 7], bool)
    admitted = np.ones_like(right)
    admitted[1, 6] = False
    drawn = [retrieval(rng.random(right.shape), right, admitted) for _ in range(4000)]
    expected = chance(right, admitted)
    assert expected.answerable == 2
    for cut, hit in expected.hits.items():
        np.testing.assert_allclose(
            np.mean([d.hits[cut][:2] for d in drawn], axis=0), hit[:2], atol=0.02
        )
    found = np.mean([d.precision[:2] for d in drawn], axis=0)
    np.testing.assert_allclose(found, expected.precision[:2], atol=0.015)
    assert expected.of(0)["r_at_1"] == pytest.approx(1 / 7)
    assert np.isnan(expected.of(2)["map"])


def test_the_same_moment_is_half_of_a_window_of_one_session() -> None:
    """Windows of 4 that begin 2 apart are one moment; 3 apart, or of two sessions, not."""
    start = np.array([0, 2, 3, 0])
    found = overlapping(np.array([0, 0, 0, 1]), start, start + 4)
    assert found.tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [False, True, True, False],
        [False, False, False, True],
    ]


def test_copies_are_told_from_cameras() -> None:
    """A session's second stream of one picture, and a re-encode elsewhere, share pictures."""
    rng = np.random.default_rng(1)
    one, two, three = rng.integers(0, 2**64, (3, 6), dtype=np.uint64)
    shared = SharedPictures.among(
        {
            ("a", "cam0"): one,
            ("a", "cam1"): two,
            ("a", "cam2"): one ^ np.uint64(7),
            ("b", "x"): three,
        }
        | {("c", "cam0"): two ^ np.uint64(5)}
    )
    assert shared.pairs == {(("a", "cam0"), ("a", "cam2")), (("a", "cam1"), ("c", "cam0"))}


def test_a_copy_of_the_session_is_neither_right_nor_wrong(net: Distiller) -> None:
    """What shares pictures with the query's session is not admitted; within it it is no camera."""
    seen = [picture(k) for k in range(4)]
    windows = [
        window("a", 0, [seen[0], seen[1], seen[0]]),
        window("b", 0, [seen[1]]),
        window("c", 0, [seen[2], seen[3]]),
    ]
    gallery = Gallery.of(windows)
    items = list(zip(gallery.window.tolist(), gallery.camera.tolist(), strict=True))
    assert items == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    assert gallery.asks.tolist() == [True, True, False, True, True]
    assert gallery.admitted[0].tolist() == [False, True, False, True, True]
    assert (gallery.right & gallery.admitted)[gallery.asks].sum(axis=1).tolist() == [1, 1, 1, 1]
    alone = [window("a", k, [seen[k], seen[k]]) for k in range(3)]
    assert not retrieval_scores(net, alone, alone, "new_rig", "fp32")


def test_other_times_of_the_query_s_recording_are_not_searched() -> None:
    """Only the other camera's windows are, of which the one that overlaps by half is right too."""
    windows = [
        window("a", k, [picture(2 * k), picture(2 * k + 1)], start=k * STEPS // 2) for k in range(3)
    ]
    gallery = Gallery.of(windows)
    assert gallery.admitted[0].tolist() == [False, True] * 3
    assert (gallery.right & gallery.admitted)[0].tolist() == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_camera_s_code_is_made_of_what_it_saw_alone(net: Distiller) -> None:
    """Other cameras, sound, text and, in a calibrated rig, depth change no bit of it."""
    one = rig("a", 1, 3)[0]
    one.tensors["camera_known"][:] = True
    mask = np.eye(3, dtype=bool)[:1]
    before = camera_codes(net, own_tensors(one), mask, "fp32")
    changed = {name: x.clone() for name, x in one.tensors.items()}
    for name in ("rgb", "flow", "skeleton", "appearance", "silhouette"):
        changed[name][:, 1:] = 0
    for name in ("audio", "text", "depth"):
        changed[name] *= -3
    other = dataclasses.replace(one, tensors=changed)
    np.testing.assert_array_equal(before, camera_codes(net, own_tensors(other), mask, "fp32"))
    changed["flow"][:, 0] *= 2
    assert not np.array_equal(before, camera_codes(net, own_tensors(other), mask, "fp32"))


def test_codes_of_sets_are_those_of_encoding_with_a_mask(net: Distiller) -> None:
    """Seeing cameras once gives what a pass for each set does; of nothing seen there is none."""
    one = rig("a", 1, 3)[0]
    tensors = own_tensors(one)
    masks = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0]], bool)
    found = camera_codes(net, tensors, masks, "fp32")
    with torch.no_grad():
        for mask, code in zip(masks[:3], found, strict=False):
            expected = net.encode(tensors, torch.from_numpy(mask)[None]).embedding[0]
            np.testing.assert_allclose(code, expected.numpy(), atol=1e-5)
    assert not found[3].any()


def test_a_masked_step_is_as_the_nearest_usable_one() -> None:
    """What lies under a mask, even not-a-number, is no part of a row; all masked is absent."""
    rgb = torch.arange(4.0).view(1, 1, 4, 1, 1, 1).expand(1, 1, 4, 3, 32, 32).clone() * 255
    mask = torch.tensor([[[False, True, False, True]]])
    rgb[0, 0, 2] = torch.nan
    row, known = rows_of({"rgb": rgb, "mask_rgb": mask}, "rgb")
    np.testing.assert_allclose(row.reshape(4, -1)[:, 0], [1, 1, 1, 3], rtol=1e-6)
    assert known.tolist() == [True]
    assert rows_of({"rgb": rgb, "mask_rgb": mask & False}, "rgb")[1].tolist() == [False]


def test_components_solve_for_a_view_that_is_absent() -> None:
    """Two views that say the same: without one, the code is nearly that with both."""
    rng = np.random.default_rng(2)
    hidden = rng.normal(size=(60, 3))
    known = np.ones(60, bool)
    views = {name: (hidden @ rng.normal(size=(3, 20)), known) for name in ("rgb", "flow")}
    fitted = PcaOfWindows.fit(views, 3)
    whole = fitted.codes(views)
    half = fitted.codes({"rgb": views["rgb"], "flow": (np.full((60, 20), 9.0), ~known)})
    assert np.abs(half - whole).max() < 0.05 * np.abs(whole).max()


def linear_rig(session: str, count: int, seed: int) -> list[Window]:
    """Return windows of two cameras: one shows 5 hidden numbers, the other another mix of them."""
    mixes = np.random.default_rng(7).normal(size=(2, 5, 64))
    hidden = np.random.default_rng(seed).normal(size=(count, 5))
    found = []
    for k, z in enumerate(hidden):
        cells = [np.clip(128 + 20 * (z @ mix), 0, 255).reshape(8, 8) for mix in mixes]
        shown = [np.stack([c.repeat(14, 0).repeat(14, 1)] * 3).astype(np.uint8) for c in cells]
        found.append(pictures_only(window(session, k, shown)))
    return found


def test_correlated_cameras_are_found_by_mcca_and_not_by_pca_or_pixels() -> None:
    """Where cameras show unlike mixes of one hidden thing, only what learned the mixes finds it."""
    fit, judged = Gallery.of(linear_rig("a", 60, 1)), Gallery.of(linear_rig("b", 30, 2))
    peers = linear_peers(fit, judged, 10)
    recall = {name: judged.search(*one).figures()["r_at_1"] for name, one in peers.items()}
    grey = judged.search(pixels(judged.rows())).figures()["r_at_1"]
    assert recall["mcca"] > 0.9
    assert recall["pca"] < 0.3
    assert grey < 0.3
    few = linear_peers(Gallery.of(linear_rig("a", 5, 1)), judged, 10)
    np.testing.assert_array_equal(few["mcca"].asking, few["pca"].asking)


def test_the_single_view_is_chosen_in_training(net: Distiller) -> None:
    """Where training's cameras share nothing but their frozen features, that is the one."""
    fit = rig("a", 6, 2)
    for one in fit:
        one.tensors["appearance"][:, 1] = one.tensors["appearance"][:, 0]
        one.tensors["mask_appearance"][:] = True
        one.tensors["appearance"] *= torch.rand(96)[:, None, None] * 3
    assert best_view(net, fit, "fp32") == FROZEN
    assert best_view(net, [pictures_only(one) for one in rig("b", 3, 1)], "fp32") == "rgb"


def test_every_query_has_a_score_of_every_method(net: Distiller) -> None:
    """Ids, the same pieces for all, figures in 0..1; chance is that of the gallery's size."""
    fit, judged = rig("t", 4, 2, seed=1), [*rig("a", 3, 3, seed=2), *rig("b", 2, 1, seed=3)]
    judged[0].tensors["mask_appearance"][:] = False
    scores = retrieval_scores(net, fit, judged, "new_rig", "fp32")
    pieces = defaultdict(set)
    for score in scores:
        assert (score.setting, score.application, score.given) == ("new_rig", "retrieval", 1)
        assert (score.session_id, score.session_name) == ("a", "A")
        assert set(score.measures) == {"r_at_1", "r_at_5", "r_at_10", "map"}
        assert all(0 <= value <= 1 for value in score.measures.values())
        pieces[score.method].add(score.piece)
    assert set(pieces) == {MODEL, *BASELINES, CHANCE}
    assert all(found == pieces[MODEL] for found in pieces.values())
    assert len(pieces[MODEL]) == 3 * 3
    # Of 11 items 3 are of the query's own recording, and 2 of the others are right.
    by_lot = [score.measures["r_at_1"] for score in scores if score.method == CHANCE]
    assert by_lot == pytest.approx([2 / 8] * 9)
    again = retrieval_scores(net, fit, judged, "new_rig", "fp32")
    assert scores == again
    with pytest.raises(ValueError, match="training windows"):
        retrieval_scores(net, [], judged, "new_rig", "fp32")


def test_a_model_of_one_view_is_scored_too() -> None:
    """What it is not shown is no candidate and no code; where it sees nothing there is none."""
    torch.manual_seed(0)
    narrow = Distiller(dataclasses.replace(PRESETS["ci"], views=("flow",))).eval()
    fit, judged = rig("t", 4, 2, seed=1), rig("a", 3, 2, seed=2)
    judged[0].tensors["mask_flow"][:, 1] = False
    assert best_view(narrow, fit, "fp32") in {FROZEN, "flow"}
    code = Gallery.of(judged).codes(narrow, "fp32")
    assert code.any(axis=1).tolist() == [True, False, True, True, True, True]
    assert not Gallery.of(judged).codes(narrow, "fp32", ("rgb",)).any()
    assert len(retrieval_scores(narrow, fit, judged, "new_rig", "fp32")) == 6 * (2 + len(BASELINES))
