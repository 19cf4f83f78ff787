"""What a listing shows and what it refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from infra.errors import ArchiveEmptyError, ArchiveNotFoundError, ArchiveUnreadableError
from tasks.archive import is_sidecar, list_archive
from tasks.listing import read_listing

if TYPE_CHECKING:
    from pathlib import Path


def members(folder: Path) -> list[str]:
    """Return the member paths of a listing."""
    return [entry.member for entry in list_archive(folder)]


def test_every_file_that_may_be_a_recording_is_listed_in_order(tmp_path: Path) -> None:
    """Whatever its name ends in, a file is an input, unless it is known to be none."""
    for name in ("b/cam2.mp4", "b/cam1.mp4", "a.xyz", "noend", ".hidden.mp4", "b/Calib.qca.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert members(tmp_path) == ["a.xyz", "b/cam1.mp4", "b/cam2.mp4", "noend"]


def test_links_to_folders_do_not_make_it_endless(tmp_path: Path) -> None:
    """A link to a parent is not followed; a link to a file is that file."""
    (tmp_path / "one.mp4").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "two.mp4").symlink_to(tmp_path / "one.mp4")
    assert members(tmp_path) == ["one.mp4", "two.mp4"]


def test_what_is_not_there_or_no_folder_is_refused(tmp_path: Path) -> None:
    """The error comes before anything is read, and says what to run."""
    with pytest.raises(ArchiveNotFoundError, match="does not exist"):
        list_archive(tmp_path / "nothing")
    (tmp_path / "file.mp4").write_bytes(b"x")
    with pytest.raises(ArchiveNotFoundError, match="is a file"):
        list_archive(tmp_path / "file.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveEmptyError):
        read_listing(str(tmp_path / "empty"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_stops_the_listing(tmp_path: Path) -> None:
    """Half an archive taken for the whole would be worse than none."""
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(ArchiveUnreadableError):
        members(tmp_path)


def test_sidecars_are_told_from_recordings() -> None:
    """Calibration, subtitles and licences travel beside recordings."""
    assert is_sidecar("Calib.qca.txt")
    assert is_sidecar("LICENSE")
    assert not is_sidecar("cam01.MP4")
