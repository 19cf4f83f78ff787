"""Cameras of a session get one clock, by ingest as it runs, and keep it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from footage import first_pts, x264

from catalog.query import run
from catalog.span import SECOND_NS, Span
from catalog.store import Catalog
from flows.ingest import ingest
from infra.settings import load_settings
from tasks.decode import Scale, Source, frames
from tasks.mux import write_video
from tasks.synthetic.archive import ArchiveSpec, write_archive

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.synthetic.archive import Truth

FRAME_NS = 40_000_000
SMALL = Scale("small", 540, 960, "rgb24")
# Frames of 60 a second by which the cameras of a walk began after the first.
LATE = {"cam01": 0, "cam02": 14, "cam03": 6, "cam04": 21}


def sessions(home: Path) -> dict[str, dict[str, Any]]:
    """Return the current sessions of several cameras by name."""
    sql = "select * from current_sessions where len(cameras) > 1"
    found = run(Catalog(load_settings(home).catalog).snapshot(), sql).to_pylist()
    return {row["name"]: row for row in found}


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Two takes of eight seconds whose cameras started 130 and 293 ms after the first."""
    spec = ArchiveSpec(take_frames=200, single_frames=12, take_width=160, take_height=120)
    return write_archive(tmp_path_factory.mktemp("takes") / "archive", spec)


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_offsets_are_those_the_cameras_started_with(
    takes: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a frame, with confidence; clips hold the cameras that saw them, on the session clock.

    Three cameras tell each other's time; of two, eight seconds may be too short to be sure.
    """
    home = tmp_path / "home"
    ingest(str(takes.folder), str(home))
    found = sessions(home)
    assert set(found) == {"take_1", "take_2"}
    assert found["take_1"]["clock_status"] == "measured"
    for name, row in found.items():
        if row["clock_status"] == "unsynchronised":
            assert [camera["offset_ns"] for camera in row["cameras"]] == [0] * len(row["cameras"])
            continue
        for camera in row["cameras"]:
            told = takes.recordings[f"{name}/{camera['camera_id']}.mp4"]
            assert camera["offset_ns"] == pytest.approx(told.offset_ns, abs=FRAME_NS)
            assert camera["clock_confidence"] >= 0.85
    clips = run(
        Catalog(load_settings(home).catalog).snapshot(),
        "select c.start_ns, len(c.cameras) as n from current_clips c "
        "join current_sessions s using (session_id) where s.name = 'take_1' order by 1",
    ).to_pylist()
    assert max(clip["n"] for clip in clips) == 3
    # Cut anew, the session keeps the clock that it has: its id holds it.
    monkeypatch.setenv("STILLHOUSE_CLIP_MAX_NS", "1000000000")
    ingest(str(takes.folder), str(home))
    again = sessions(home)
    assert {n: r["session_id"] for n, r in again.items()} == {
        n: r["session_id"] for n, r in found.items()
    }


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_what_cannot_be_told_is_not_made_up(
    takes: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for more confidence than there is, a session is unsynchronised, its offsets 0."""
    monkeypatch.setenv("STILLHOUSE_SYNC_MIN_CONFIDENCE", "1.0")
    home = tmp_path / "home"
    ingest(str(takes.folder), str(home))
    for row in sessions(home).values():
        assert row["clock_status"] == "unsynchronised"
        assert [camera["offset_ns"] for camera in row["cameras"]] == [0] * len(row["cameras"])


@pytest.fixture(scope="module")
def walk(pose2sim: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real walk of 1.7 s by four calibrated cameras, a quarter as large, three begun late."""
    folder = tmp_path_factory.mktemp("walk") / "archive"
    (folder / "walk").mkdir(parents=True)
    shutil.copy(pose2sim / "Calib.qca.txt", folder)
    for name, start in LATE.items():
        source = Source(str(pose2sim / "take_1" / f"{name}.mp4"))
        first = first_pts(source)
        shown = frames(source, Span(0, 2 * SECOND_NS), [SMALL], start_pts=first)
        pictures = [one.images[SMALL.name] for one in shown][start:]
        write_video(folder / "walk" / f"{name}.mp4", pictures, rate=60, options=x264("keyint=30"))
    return folder


@pytest.mark.long  # two ingests through workers that load the networks: half a minute
@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_calibrated_cameras_are_timed_by_joints_once_the_networks_are_here(
    walk: Path, weights: Path, tmp_path: Path
) -> None:
    """Without the asset nothing is told; fetched later it is, to a frame; then all is as it was."""
    home = tmp_path / "home"
    ingest(str(walk), str(home))
    assert sessions(home)["walk"]["clock_status"] == "unsynchronised"
    (home / "assets").symlink_to(weights)
    ingest(str(walk), str(home))
    found = sessions(home)["walk"]
    assert found["clock_status"] == "measured"
    for camera in found["cameras"]:
        late_ns = LATE[camera["camera_id"]] * SECOND_NS // 60
        assert camera["offset_ns"] == pytest.approx(late_ns, abs=17_000_000)
        assert camera["clock_confidence"] >= 0.85
    before = Catalog(load_settings(home).catalog).snapshot()
    again = ingest(str(walk), str(home))
    assert (again["cached"], again["done"]) == (4, 0)
    assert sessions(home)["walk"] == found
    versions = [
        run(one, "select count(*) as n from sessions")["n"][0].as_py()
        for one in (before, Catalog(load_settings(home).catalog).snapshot())
    ]
    assert versions[0] == versions[1]
    # Measured by joints, it stays so when it is formed anew without the networks.
    (home / "assets").unlink()
    ingest(str(walk), str(home))
    assert sessions(home)["walk"] == found
