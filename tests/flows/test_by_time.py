"""Recordings of one time become one session where that is asked for, and stop being one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import av
import pytest

from catalog.query import run
from catalog.store import Catalog
from flows.ingest import ingest
from infra.settings import load_settings
from tasks.synthetic.archive import ArchiveSpec, write_archive

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("ray_local", "prefect_server")


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four folders, one a camera: three of one take made at 12:00:00, one of another later."""
    folder = tmp_path_factory.mktemp("dated")
    spec = ArchiveSpec(take_frames=200, single_frames=12, take_width=160, take_height=120)
    truth = write_archive(folder / "plain", spec)
    takes = sorted(name for name in truth.recordings if name.startswith("take_"))
    first = [name for name in takes if name.startswith("take_1")]
    other = next(name for name in takes if name.startswith("take_2"))
    for camera, name in zip("abcd", [*first, other], strict=True):
        seconds = 50 if name == other else 0
        copy(truth.folder / name, folder / "archive" / camera / f"{camera}7.mp4", seconds)
    return folder / "archive"


def copy(source: Path, target: Path, seconds: int) -> None:
    """Copy a recording and have it claim to be made so long after noon."""
    target.parent.mkdir(parents=True)
    with av.open(str(source)) as read, av.open(str(target), "w") as out:
        out.metadata["creation_time"] = f"2024-05-01T12:00:{seconds:02}.000000Z"
        kept = {stream.index: out.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.stream = kept[packet.stream.index]
                out.mux(packet)


def sessions(home: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the clock status and the cameras of each current session by its name."""
    sql = "select name, clock_status, cameras from current_sessions order by name"
    found = run(Catalog(load_settings(home).catalog).snapshot(), sql).to_pylist()
    return {
        row["name"]: (row["clock_status"], tuple(one["camera_id"] for one in row["cameras"]))
        for row in found
    }


def test_recordings_of_one_time_are_joined_when_asked(
    dated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by default; switched on or off nothing is read; what comes, goes or doubles counts."""
    archive, home = tmp_path / "archive", tmp_path / "home"
    shutil.copytree(dated, archive)
    ingest(str(archive), str(home))
    alone = sessions(home)
    assert [len(cameras) for _, cameras in alone.values()] == [1] * 4

    monkeypatch.setenv("STILLHOUSE_GROUP_BY_TIME", "true")
    report = ingest(str(archive), str(home))
    assert (report["done"], report["bytes_in"]) == (0, 0)
    together = sessions(home)
    assert together == {
        "a/a7": ("measured", ("a", "b", "c")),
        "d/d7": alone["d/d7"],
    }
    assert ingest(str(archive), str(home))["cached"] == 4
    assert sessions(home) == together

    # A recording that goes away leaves the others a session, and comes back into it.
    (archive / "c" / "c7.mp4").rename(tmp_path / "kept.mp4")
    ingest(str(archive), str(home))
    assert sessions(home)["a/a7"][1] == ("a", "b")
    (tmp_path / "kept.mp4").rename(archive / "c" / "c7.mp4")
    ingest(str(archive), str(home))
    assert sessions(home) == together

    # A second one of the same camera and time makes that camera's times no times.
    copy(archive / "d" / "d7.mp4", archive / "c" / "more" / "x.mp4", 0)
    (archive / "c" / "more" / "x.mp4").rename(archive / "c" / "x.mp4")
    ingest(str(archive), str(home))
    assert sessions(home)["a/a7"][1] == ("a", "b")
    assert {name for name in sessions(home) if name.startswith("c/")} == {"c/c7", "c/x"}
    (archive / "c" / "x.mp4").unlink()
    ingest(str(archive), str(home))
    assert sessions(home) == together

    monkeypatch.delenv("STILLHOUSE_GROUP_BY_TIME")
    ingest(str(archive), str(home))
    assert sessions(home) == alone


@pytest.mark.long
def test_the_order_in_which_recordings_come_does_not_show(
    dated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one they end in the session that they are when they come at once."""
    monkeypatch.setenv("STILLHOUSE_GROUP_BY_TIME", "true")
    archive, ids = tmp_path / "archive", []
    for camera in "cab":
        shutil.copytree(dated / camera, archive / camera)
        ingest(str(archive), str(tmp_path / "slow"))
    ingest(str(archive), str(tmp_path / "fast"))
    for home in ("slow", "fast"):
        snapshot = Catalog(load_settings(tmp_path / home).catalog).snapshot()
        ids.append(run(snapshot, "select session_id, name from current_sessions").to_pylist())
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1
