"""Actions from codes: codes made so that the answer is known, controls, and a real model."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from filled_rows import filled
from retrieval_windows import picture, pictures_only, window

from catalog.schemas.files import FILES
from catalog.schemas.labels import LABELS
from catalog.schemas.sessions import SESSIONS
from infra.errors import MissingBaselineError, SplitImpossibleError
from infra.settings import Settings
from models.distiller import Distiller
from models.distiller_config import PRESETS
from tasks.actions.codes import ActionCodes, action_codes, still, window_labels
from tasks.actions.evaluation import BASELINES, MODEL, ActionEvaluation
from tasks.actions.probe import probe_actions
from tasks.runs.record import FlowRun
from tasks.windows.camera_sets import sets_of

if TYPE_CHECKING:
    from pathlib import Path

CLASSES, SESSIONS_MADE, CAMERAS, WIDTH = 4, 6, 3, 12
EACH = 5


def known_codes(*, background: bool = False) -> ActionCodes:
    """Codes that tell the class, with a little noise.

    The code of any set of cameras is the class's own vector. Background tells nothing unless asked
    to.
    """
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat(np.arange(CLASSES), EACH), SESSIONS_MADE)
    sessions = np.repeat(np.arange(SESSIONS_MADE), CLASSES * EACH)
    sets = sets_of(np.ones(CAMERAS, bool), 0)
    own = rng.normal(size=(CLASSES, WIDTH))

    def noise(*shape: int) -> np.ndarray:
        return 0.1 * rng.normal(size=shape)

    codes = own[labels][:, None] + noise(len(labels), len(sets), WIDTH)
    still_ones = noise(len(labels), len(sets), WIDTH)
    if background:
        still_ones += own[labels][:, None]
    names = tuple(f"action {k}" for k in range(CLASSES))
    return ActionCodes(names, labels, tuple(f"s{k}" for k in sessions), sets, codes, still_ones)


def single_ways(codes: ActionCodes) -> ActionCodes:
    """Turn the codes of each single camera by permuting the classes: cameras do not agree."""
    made = codes.codes.copy()
    for camera in range(1, CAMERAS):
        own = made[:, 0]
        turned = np.array([own[(np.array(codes.labels) == one)].mean(axis=0) for one in range(4)])
        other = turned[(codes.labels + camera) % CLASSES]
        made[:, camera] = other + 0.1 * np.random.default_rng(camera).normal(size=other.shape)
    return dataclasses.replace(codes, codes=made)


def test_a_code_that_is_the_same_through_every_camera_is_read_across_them() -> None:
    """All right within and across views, but for a concatenation across; controls at chance."""
    found = probe_actions(known_codes(), shots=(0,))
    for method in (MODEL, "late_mean", "sum", "camera 0", "camera 2"):
        assert found.top1("same_view", 0, method) == 1.0
        assert found.macro_f1("same_view", 0, method) == 1.0
    for method in (MODEL, "late_mean", "camera 1"):
        assert found.top1("cross_view", 0, method) == 1.0
    # The camera that is asked had zeros in its place in training.
    assert found.top1("cross_view", 0, "early_concat") == pytest.approx(1 / CLASSES, abs=0.1)
    assert found.top1("same_view", 0, "early_concat") == 1.0
    for protocol in ("same_view", "cross_view"):
        assert found.top1(protocol, 0, "majority") == 1 / CLASSES
        assert found.top1(protocol, 0, "background") == pytest.approx(1 / CLASSES, abs=0.1)
    assert found.macro_f1("same_view", 0, "majority") == pytest.approx(0.1)


def test_cameras_that_disagree_are_told_within_and_not_across() -> None:
    """Where each camera means another class by one vector, only what knows the camera is right."""
    found = probe_actions(single_ways(known_codes()), shots=(0,))
    assert found.top1("same_view", 0, "camera 1") == 1.0
    assert found.top1("same_view", 0, "early_concat") == 1.0
    assert found.top1("cross_view", 0, "camera 1") < 0.05


def test_a_background_that_gives_the_class_away_shows() -> None:
    """Where each class has its own place, the control is as good as the code."""
    found = probe_actions(known_codes(background=True), shots=(0,))
    assert found.top1("same_view", 0, "background") == 1.0


def test_few_labels_are_drawn_alike_each_time_and_never_from_a_tested_session() -> None:
    """One label a class, three draws: as many answers for every method, the same twice."""
    codes = known_codes()
    found = probe_actions(codes, shots=(1, 0))
    assert found == probe_actions(codes, shots=(1, 0))
    items = {(row["protocol"], row["shots"]): row["items"] for row in found.table()}
    whole = SESSIONS_MADE * CLASSES * EACH
    assert items["same_view", 1] == 3 * whole
    assert items["same_view", 0] == whole
    assert found.top1("same_view", 1, MODEL) > 0.9
    # A session that is a world of its own is not told: nothing of it was learned.
    strange = codes.codes.copy()
    first = np.array(codes.sessions) == "s0"
    strange[first] = strange[first][::-1]
    flipped = probe_actions(dataclasses.replace(codes, codes=strange), shots=(0,))
    assert flipped.top1("same_view", 0, MODEL, "s0") == 0.0
    assert flipped.top1("same_view", 0, MODEL, "s1") == 1.0


def test_an_evaluation_without_a_baseline_is_refused() -> None:
    """Taking any method's rows away is an error that names it; so is one session alone."""
    found = probe_actions(known_codes(), shots=(0,))
    for method in (MODEL, *BASELINES):
        with pytest.raises(MissingBaselineError, match=method):
            ActionEvaluation(tuple(s for s in found.scores if s.method != method))
    with pytest.raises(MissingBaselineError, match="camera 0"):
        ActionEvaluation(tuple(s for s in found.scores if not s.method.startswith("camera")))
    alone = dataclasses.replace(known_codes(), sessions=("s",) * len(known_codes().labels))
    with pytest.raises(SplitImpossibleError):
        probe_actions(alone)


def test_a_real_model_tells_motion_that_the_median_picture_does_not() -> None:
    """Pictures that darken or brighten: the code knows which, the background control cannot."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = Distiller(PRESETS["ci"]).eval()
    windows, labels = [], []
    for number in range(24):
        one = pictures_only(window(f"s{number // 4}", number, [picture(number), picture(99)]))
        rgb = one.tensors["rgb"].float() * 0.5
        shift = torch.tensor([60.0, -60.0]) * (1 if number % 2 else -1)
        one.tensors["rgb"] = (rgb + 60 + shift[:, None, None, None]).to(torch.uint8)
        windows.append(one)
        labels.append("darkens" if number % 2 else "brightens")
    codes = action_codes(net, windows, labels, "fp32")
    assert codes.names == ("brightens", "darkens")
    assert codes.codes.shape == (24, 3, PRESETS["ci"].embedding)
    found = probe_actions(codes, shots=(0,))
    assert found.top1("same_view", 0, MODEL) > 0.9
    assert found.top1("same_view", 0, "background") < 0.8
    shown = still(windows[0].tensors)["rgb"]
    assert torch.equal(shown[:, :, 0], shown[:, :, 1])


def test_a_window_is_called_what_all_its_recordings_are_called(tmp_path: Path) -> None:
    """One label of its cameras' recordings, or none where there is none or they differ."""
    run = FlowRun("ingest", Settings(home=tmp_path))
    for name in ("a", "b", "c"):
        held = [f"{name}{k}" for k in range(2)]
        cameras = [
            {"camera_id": f"cam{k}", "recording_id": one, "offset_ns": 0}
            for k, one in enumerate(held)
        ]
        row = {"session_id": name, "name": name, "cameras": cameras, "split": "train"}
        run.catalog.commit(SESSIONS, [filled(SESSIONS) | row])
        sight = {"member": name, "session_id": name, "recordings": held, "status": "present"}
        run.catalog.commit(FILES, [filled(FILES) | sight])
    said = {"a0": "wave", "a1": "wave", "b0": "wave", "b1": "jump"}
    run.catalog.commit(
        LABELS,
        [filled(LABELS) | {"recording_id": one, "label": what} for one, what in said.items()],
    )
    windows = [window(name, 0, [picture(0), picture(1)]) for name in ("a", "b", "c")]
    assert window_labels(windows, run.catalog.snapshot()) == ["wave", None, None]
