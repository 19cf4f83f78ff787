"""Views of calibrated cameras come from the stored features of all cameras, without a decode."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catalog.query import rows, run
from catalog.store import Catalog
from flows.extract import extract
from flows.ingest import ingest
from infra.settings import Settings, load_settings
from tasks.extraction.explain import explain_feature
from tasks.rigs.calibration import Calibration, camera_from
from tasks.views.catalogue import RIG_VIEWS
from tasks.views.current import view_versions
from tasks.views.packing import unpacked
from tasks.windows.reader import WindowReader, WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Road

    from tasks.synthetic.archive import Truth

TAKE = "take_1"


@pytest.fixture(scope="module")
def calibrated(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the synthetic take beside its true calibration, *stereo* and its input there."""
    folder = tmp_path_factory.mktemp("rig") / "archive"
    shutil.copytree(road.truth.folder / TAKE, folder / TAKE)
    write_calibration(road.truth, folder / "calibration.json")
    home = folder.parent / "home"
    ingest(str(folder), str(home))
    extract(("stereo",), str(home))
    return load_settings(home)


def write_calibration(truth: Truth, path: Path) -> None:
    """Write what is true of the take's cameras."""
    cameras = []
    for member, one in truth.recordings.items():
        if one.session == TAKE:
            matrix, turn, shift = truth.calibration_truth(member)
            given = {
                "name": one.camera_id,
                "width": one.width,
                "height": one.height,
                "matrix": matrix.tolist(),
                "rotation": turn.tolist(),
                "translation": shift.tolist(),
            }
            cameras.append(camera_from(given, one.camera_id))
    path.write_text(Calibration(tuple(cameras)).to_json())


def features(settings: Settings) -> list[dict[str, Any]]:
    """Return the rows of *stereo*."""
    snapshot = Catalog(settings.catalog).snapshot()
    return run(snapshot, "from features where view = 'stereo' order by all").to_pylist()


def test_each_camera_of_a_calibrated_session_has_one(calibrated: Settings, road: Road) -> None:
    """Asked for alone, it brings its input along; metric depth agrees with the known one."""
    ledger = rows(Catalog(calibrated.catalog).snapshot(), "show_runs", {"limit": 9})
    assert len(ledger) == 2
    found = features(calibrated)
    cameras = sum(one.session == TAKE for one in road.truth.recordings.values())
    assert len({row["camera_id"] for row in found}) == cameras
    assert all(row["given"] for row in found)
    known = [unpacked(RIG_VIEWS["stereo"].spec, row) for row in found]
    assert any(feature.mask.any() for feature in known)
    views = run(Catalog(calibrated.catalog).snapshot(), "select distinct view from features")
    assert set(views["view"].to_pylist()) == {"thumbnail", "stereo"}


def test_again_there_is_nothing_to_do(calibrated: Settings) -> None:
    """Inputs are cached with what was made of them, and `explain` calls it current."""
    report = extract(("stereo",), str(calibrated.home))
    assert report["cached"] == report["inputs"] > 0
    said = explain_feature(calibrated, features(calibrated)[0]["clip_id"], "stereo")
    assert said["current"], said["reason"]


def test_an_uncalibrated_session_has_none_due(road: Road) -> None:
    """Where there is no calibration nothing is wanted, and `explain` says so."""
    snapshot = Catalog(road.settings.catalog).snapshot()
    clip_id = run(snapshot, "select clip_id from current_clips limit 1")["clip_id"][0].as_py()
    said = explain_feature(road.settings, clip_id, "stereo")
    assert "not calibrated" in said["reason"]


def test_windows_know_the_cameras(calibrated: Settings) -> None:
    """A calibrated camera is told to the net by its vector: rotation, place, lens."""
    snapshot = Catalog(calibrated.catalog).snapshot()
    split = run(snapshot, "select split from current_clips")["split"][0].as_py()
    reader = WindowReader(
        snapshot,
        WindowSpec(("rgb", "depth"), steps=4, stride=4),
        split=split,
        versions=view_versions((), calibrated),
        step_ns=calibrated.grid_step_ns,
    )
    batch = next(reader.read())
    known = batch.tensors["camera_known"]
    assert known.any()
    turns = batch.tensors["camera"][known][:, :6].reshape(-1, 2, 3)
    assert np.allclose(np.linalg.norm(turns, axis=2), 1, atol=1e-5)
    cameras = json.loads(run(snapshot, "from sessions")["calibration"][0].as_py())["cameras"]
    assert len(cameras) == known[0].sum()
