"""Judging a distiller: nothing leaks, nothing depends on order, all its baselines are there."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from distiller_windows import noise_windows
from picture_windows import SIDE, TINY, moving, texture, window

from infra.errors import MissingBaselineError
from models.distiller import Distiller
from tasks.distiller.evaluate import evaluate_distiller
from tasks.distiller.evaluation import BASELINES, DistillerEvaluation
from tasks.distiller.picture import COLUMNS, distiller_picture
from tasks.judging.picture_scores import CodedWindow, PictureJudge, Truth
from tasks.judging.window_score import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.judging.window_score import WindowScore
    from tasks.windows.sets import Window

STEPS = 4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model() -> Distiller:
    """A tiny network with random weights, ready to code."""
    torch.manual_seed(0)
    net = Distiller(TINY).eval()
    net.codec.tabulate()
    return net


def rig(session: str, cameras: int, number: int, first: int = 0, **more: object) -> Window:
    """Return a window of a session whose cameras have a background each and see things move."""
    shown = [
        moving(texture(100 * number + v), STEPS, seed=1000 * number + 10 * first + v)
        for v in range(cameras)
    ]
    return window(shown, session, first, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fit() -> list[Window]:
    """Training windows: a rig of three cameras, and two single cameras."""
    rigs = [rig("r", 3, 1, first) for first in (0, 4, 8)]
    return [*rigs, rig("s", 1, 2), rig("u", 1, 3)]


@pytest.fixture(scope="module")
def heldout() -> list[Window]:
    """Sessions never seen: of two cameras, of one, and one in which nothing moves."""
    still = window([np.repeat(texture(77)[None], STEPS, axis=0)], "still")
    return [rig("h", 2, 4), rig("h", 2, 4, first=4), rig("one", 1, 5), still]


def pictures_of(
    model: Distiller, fit: Sequence[Window], judged: Sequence[Window]
) -> list[WindowScore]:
    """Return the scores of the two applications that make pictures."""
    return list(PictureJudge.fitted(model, fit).scores(model, judged, "new_rig", "fp32"))


def test_every_piece_has_all_its_baselines(
    model: Distiller, fit: list[Window], heldout: list[Window]
) -> None:
    """All four applications in both settings; JSON gives the evaluation back."""
    later = [rig("r", 3, 1, first) for first in (40, 44)]
    found = evaluate_distiller(model, fit, heldout, later, precision="fp32")
    for setting in ("new_rig", "same_rig"):
        for application, names in BASELINES.items():
            assert (setting, application) in found.judged
            assert {MODEL, *names} <= set(found.methods(setting, application))
    assert found.sessions("new_rig", "target").keys() == {"h", "one", "still"}
    assert found.sessions("new_rig", "view").keys() == {"h"}
    assert found.sessions("same_rig").keys() == {"r"}
    assert {s.given for s in found.scores if s.session_id == "r" and s.application == "view"} == {2}
    assert {s.given for s in found.scores if s.session_id == "h" and s.application == "target"} == {
        2
    }
    again = DistillerEvaluation.from_json(found.to_json())
    assert again.metrics() == found.metrics()
    assert again.table() == found.table()
    for count in (1, 2, 3):
        assert found.cost[f"encode_ms_{count}"] > 0
        assert found.cost[f"decode_ms_{count}"] > 0
    assert found.cost["parameters"] == sum(p.numel() for p in model.parameters())
    assert found.cost["bytes"] >= found.cost["bytes_estimated"] * 0.98


def test_either_setting_may_be_empty(
    model: Distiller, fit: list[Window], heldout: list[Window]
) -> None:
    """One camera alone is judged too; nothing to judge, or to fit on, is refused."""
    alone = [one for one in heldout if one.session_id == "one"]
    found = evaluate_distiller(model, fit, alone, [], precision="fp32")
    assert found.judged == (("new_rig", "target"),)
    assert any("view synthesis" in one for one in found.remarks())
    with pytest.raises(MissingBaselineError, match="No window"):
        evaluate_distiller(model, fit, [], [], precision="fp32")
    with pytest.raises(MissingBaselineError, match="training windows"):
        evaluate_distiller(model, [], heldout, [], precision="fp32")


def test_models_of_unlike_sizes_are_judged_on_the_same_pictures(
    model: Distiller, fit: list[Window], heldout: list[Window]
) -> None:
    """Asked for another's side, a model has the pieces and the static medians of that one."""
    torch.manual_seed(1)
    larger = Distiller(dataclasses.replace(TINY, side=2 * TINY.side)).eval()
    own = PictureJudge.fitted(larger, fit).scores(larger, heldout, "new_rig", "fp32")
    judge = PictureJudge.fitted(model, fit, larger.config.side)
    asked = judge.scores(model, heldout, "new_rig", "fp32")
    ours, theirs = (
        {(s.application, s.piece): s.measures for s in scores if s.method == "median"}
        for scores in (own, asked)
    )
    assert ours.keys() == theirs.keys()
    for piece, measures in ours.items():
        assert measures == pytest.approx(theirs[piece], nan_ok=True)


def test_where_nothing_moves_there_is_no_foreground(
    model: Distiller, fit: list[Window], heldout: list[Window]
) -> None:
    """The still session has a PSNR and no foreground PSNR, for every method alike."""
    scores = pictures_of(model, fit, heldout)
    for score in scores:
        assert math.isnan(score.measures["fg_psnr"]) == (score.session_id == "still")
        assert math.isfinite(score.measures["psnr"])
    (median,) = [s for s in scores if s.session_id == "still" and s.method == "median"]
    assert median.measures["psnr"] == 100


def test_the_order_of_cameras_changes_nothing(
    model: Distiller, fit: list[Window], heldout: list[Window]
) -> None:
    """Cameras of a window the other way round, slots with them: each score stays."""
    turned = []
    for one in heldout:
        order = list(reversed(range(len(one.cameras))))
        tensors = {name: x[:, order] for name, x in one.tensors.items()}
        names = tuple(one.cameras[k] for k in order)
        turned.append(replace(one, cameras=names, tensors=tensors))
    found, other = (pictures_of(model, fit, windows) for windows in (heldout, turned))
    values = {(s.application, s.method, s.piece): s.measures for s in other}
    assert len(values) == len(found)
    for score in found:
        expected = pytest.approx(values[score.application, score.method, score.piece], abs=0.02)
        if not math.isnan(score.measures["fg_psnr"]):
            assert score.measures == expected


def test_the_camera_left_out_is_not_in_the_code(model: Distiller, fit: list[Window]) -> None:
    """Junk in place of what it saw changes the truth and not the picture that is made of it."""
    judged = rig("new", 3, 6)
    tensors = dict(judged.tensors)
    tensors["rgb"] = tensors["rgb"].clone()
    tensors["rgb"][:, 1] = 255 - tensors["rgb"][:, 1]
    junk = replace(judged, tensors=tensors)
    at = np.array([1, 3])
    made = []
    for one in (judged, junk):
        coded = CodedWindow(model, one, "fp32")
        made.append(coded.pictures(coded.code([0, 2]), 1, at))
    assert torch.equal(*made)
    views = [s for s in pictures_of(model, fit, [judged]) if s.application == "view"]
    assert {s.given for s in views} == {2}


def test_depth_of_a_rig_tells_nothing_of_the_camera_left_out(model: Distiller) -> None:
    """Stereo depth is computed from other cameras' pictures: kept apart, it is not read."""
    base = rig("new", 2, 6)
    noise = noise_windows(1, 2, STEPS)
    made = []
    for scale in (1, -3):
        extra = {"depth": scale * noise["depth"].float(), "mask_depth": noise["mask_depth"]}
        known = {"camera_known": torch.ones(1, 2, dtype=torch.bool)}
        one = replace(base, tensors=dict(base.tensors) | extra | known)
        for apart in (True, False):
            coded = CodedWindow(model, one, "fp32", apart=apart)
            made.append(coded.code([0]).latents)
    assert torch.equal(made[0], made[2])
    assert not torch.equal(made[1], made[3])


def test_a_copy_is_no_other_camera(model: Distiller, fit: list[Window]) -> None:
    """The second stream of a file that has its picture twice is neither given nor made."""
    rng = np.random.default_rng(0)
    sight = np.stack([texture(int(seed), 112, blur=6) for seed in rng.integers(0, 999, 24)])
    windows = [window([sight[k : k + STEPS]] * 2, "copy", k) for k in range(0, len(sight), STEPS)]
    found = pictures_of(model, fit, windows)
    assert {score.application for score in found} == {"target"}
    assert {score.camera_id for score in found} == {"cam0", "cam1"}


def test_a_perfect_method_scores_perfectly_and_the_background_nothing() -> None:
    """Known figures: the truth itself, and the still scene where a white square stands out."""
    background = np.full((3, SIDE, SIDE), 128, np.uint8)
    frames = moving(background, 2)
    truth = Truth.of(frames, background)
    perfect = truth.measures(torch.from_numpy(frames) / 255)
    assert perfect == pytest.approx(
        {"fg_psnr": 100, "psnr": 100, "ssim": 1, "haarpsi": 1}, abs=1e-4
    )
    still = torch.from_numpy(background).expand(2, -1, -1, -1) / 255
    level = 219 / 255 * (255 - 128) / 255  # luma has 219 of 255 levels
    assert truth.measures(still)["fg_psnr"] == pytest.approx(-20 * math.log10(level), abs=1e-3)


def test_a_network_that_gives_no_numbers_is_judged_black(
    fit: list[Window], heldout: list[Window]
) -> None:
    """Its scores are numbers, and poor: not-a-number would not be counted."""
    torch.manual_seed(0)
    broken = Distiller(TINY).eval()
    with torch.no_grad():
        broken.decoder.last.weight.fill_(math.nan)
    scores = pictures_of(broken, fit, [heldout[0]])
    found = [s.measures["fg_psnr"] for s in scores if s.method == MODEL]
    assert found
    assert max(found) < 10


def test_the_picture_has_a_row_a_session(model: Distiller, heldout: list[Window]) -> None:
    """Several cameras before single ones, five columns; a window without pictures is refused."""
    found = distiller_picture(model, heldout)
    assert found.dtype == np.uint8
    assert found.shape[2] == 3
    rows = (found.shape[0] - distiller_picture(model, heldout[2:3]).shape[0]) / 2
    assert rows == int(rows) > SIDE
    assert found.shape[1] > len(COLUMNS) * SIDE
    one = heldout[0]
    dark = dict(one.tensors) | {"mask_rgb": torch.zeros_like(one.tensors["mask_rgb"])}
    with pytest.raises(ValueError, match="no window"):
        distiller_picture(model, [replace(one, tensors=dark)])
