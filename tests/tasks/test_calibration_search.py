"""The calibration that lies beside a session is found, and none that is not its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.rigs.calibration import Calibration, CameraModel
from tasks.rigs.calibration_search import calibration_beside

if TYPE_CHECKING:
    from pathlib import Path

UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LENS = ((900.0, 0.0, 640.0), (0.0, 900.0, 360.0), (0.0, 0.0, 1.0))
MODEL = CameraModel("cam01", 1280, 720, LENS, (0.0,) * 5, UPRIGHT, (0.0, 0.0, 3.0))
RIG = Calibration((MODEL, replace(MODEL, name="cam02")))
CAMERAS = ("cam01", "cam02")
MEMBERS = ("day/take_1/cam01.mp4", "day/take_1/cam02.mp4")


def test_the_nearest_above_is_taken(tmp_path: Path) -> None:
    """In the session's folder, else above it, also in a folder `calibration`; else none."""
    take = tmp_path / "day" / "take_1"
    take.mkdir(parents=True)
    assert calibration_beside(str(tmp_path), MEMBERS, CAMERAS) is None
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "calib.json").write_text(RIG.to_json())
    assert calibration_beside(str(tmp_path), MEMBERS, CAMERAS) == RIG
    nearer = Calibration(tuple(replace(one, width=1920) for one in RIG.cameras))
    (take / "calibration_2.json").write_text(nearer.to_json())
    assert calibration_beside(str(tmp_path), MEMBERS, CAMERAS) == nearer


def test_what_is_not_its_own_or_no_calibration_is_passed_over(tmp_path: Path) -> None:
    """Other cameras' names, a broken file, another kind of JSON: the next one counts."""
    take = tmp_path / "day" / "take_1"
    take.mkdir(parents=True)
    others = Calibration(
        tuple(replace(one, name=f"gopro{k}0") for k, one in enumerate(RIG.cameras))
    )
    (take / "calib_a.json").write_text(others.to_json())
    (take / "calib_b.json").write_text('{"cameras": 3}')
    (take / "notes.json").write_text(RIG.to_json())
    assert calibration_beside(str(tmp_path), MEMBERS, CAMERAS) is None
    (tmp_path / "day" / "calib.json").write_text(RIG.to_json())
    assert calibration_beside(str(tmp_path), MEMBERS, CAMERAS) == RIG


def test_nothing_above_the_archive_is_looked_at(tmp_path: Path) -> None:
    """An archive is its folder; a tar has none beside its members."""
    archive = tmp_path / "archive"
    (archive / "day" / "take_1").mkdir(parents=True)
    (tmp_path / "calib.json").write_text(RIG.to_json())
    assert calibration_beside(str(archive), MEMBERS, CAMERAS) is None
    assert calibration_beside(str(tmp_path / "calib.tar"), MEMBERS, CAMERAS) is None
