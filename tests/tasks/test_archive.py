"""What a listing shows and what it refuses."""

from __future__ import annotations

import os
import tarfile
import tracemalloc
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from ordinary_user import open_folder, run_as_ordinary_user

from infra.errors import ArchiveEmptyError, ArchiveNotFoundError, ArchiveUnreadableError
from infra.settings import Settings
from tasks.archives.contents import is_sidecar, list_archive
from tasks.archives.listing import read_listing
from tasks.recordings.media import open_bytes

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


def test_members_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """A folder stands where its slash does, not its bare name: 0x2d, 0x2e, 0x2f."""
    for name in ("a/1.mp4", "a-1.mp4", "a.mp4", "a/b/2.mp4", "a0.mp4", "é.mp4", "B.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = members(tmp_path)
    assert found == sorted(found)
    assert found[1:3] == ["a-1.mp4", "a.mp4"]


def test_links_that_lead_nowhere_are_inputs_that_cannot_be_read(tmp_path: Path) -> None:
    """An annex whose content is not here, and a link to itself, are not passed over."""
    (tmp_path / "gone.mp4").symlink_to(".git/annex/objects/x.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    entries = list(list_archive(tmp_path))
    assert [(entry.member, entry.size_bytes) for entry in entries] == [
        ("gone.mp4", 0),
        ("loop.mp4", 0),
    ]
    for entry in entries:
        with pytest.raises(OSError, match=entry.member):
            open_bytes(entry.source)


def test_a_listing_is_streamed(tmp_path: Path) -> None:
    """The first member is there before later folders are looked into."""
    for name in ("a/1.mp4", "b/2.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    listing = list_archive(tmp_path)
    assert next(listing).member == "a/1.mp4"
    (tmp_path / "b" / "3.mp4").write_bytes(b"x")
    assert [entry.member for entry in listing] == ["b/2.mp4", "b/3.mp4"]


def test_a_listing_needs_little_memory_by_the_entry(tmp_path: Path) -> None:
    """Of each member a hash of its name is kept: a million stay far below 500 MiB."""
    with tarfile.open(tmp_path / "many.tar", "w") as archive:
        for k in range(8192):
            archive.addfile(tarfile.TarInfo(f"session_{k // 4}/camera_{k % 4}.mp4"))
    peaks = []
    for count in (10, 8192):
        tracemalloc.start()
        assert sum(1 for _ in islice(list_archive(tmp_path / "many.tar"), count)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 200 * 8192


def test_a_member_of_a_file_has_no_path(tmp_path: Path) -> None:
    """Who opens the archive's own path would take it for the member."""
    with tarfile.open(tmp_path / "one.tar", "w") as archive:
        archive.add(__file__, "a.mp4")
    (entry,) = list_archive(tmp_path / "one.tar")
    with pytest.raises(ValueError, match=r"a\.mp4 is inside"):
        _ = entry.path


def test_what_an_archive_is_does_not_hang_on_its_name(tmp_path: Path) -> None:
    """A folder called .tar is a folder, a tar without an ending is a tar."""
    (tmp_path / "x.tar").mkdir()
    (tmp_path / "x.tar" / "a.mp4").write_bytes(b"x")
    assert members(tmp_path / "x.tar") == ["a.mp4"]
    with tarfile.open(tmp_path / "export", "w") as archive:
        archive.add(tmp_path / "x.tar" / "a.mp4", "a.mp4")
    assert members(tmp_path / "export") == ["a.mp4"]


def test_what_is_not_there_or_no_folder_is_refused(tmp_path: Path) -> None:
    """The error comes before anything is read, and says what to run."""
    with pytest.raises(ArchiveNotFoundError, match="does not exist"):
        list_archive(tmp_path / "nothing")
    (tmp_path / "file.mp4").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.tar")
    for name in ("file.mp4", "pipe.tar"):
        with pytest.raises(ArchiveNotFoundError, match="is a file and no archive"):
            list(list_archive(tmp_path / name))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ArchiveUnreadableError, match="symbolic links"):
        list_archive(tmp_path / "loop")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchiveEmptyError):
        read_listing(str(tmp_path / "empty"), Settings())


LIST_IT = """
from infra.errors import StillhouseError
from tasks.archives.contents import list_archive

def answer(folder):
    try:
        return [entry.member for entry in list_archive(folder)]
    except StillhouseError as error:
        return [type(error).__name__, str(error)]
"""


def test_a_folder_that_may_not_be_read_stops_the_listing() -> None:
    """Half an archive taken for the whole would be worse than none."""
    with open_folder() as folder:
        locked = folder / "locked"
        locked.mkdir()
        for name in ("a.mp4", "locked/b.mp4"):
            (folder / name).write_bytes(b"x")
        assert run_as_ordinary_user(LIST_IT, folder) == ["a.mp4", "locked/b.mp4"]
        for mode, place in ((0, folder), (0o600, folder), (0, locked)):
            place.chmod(mode)
            kind, why = run_as_ordinary_user(LIST_IT, folder)
            assert (kind, "Permission denied" in why) == ("ArchiveUnreadableError", True), why
            place.chmod(0o755)


def test_a_file_that_may_not_be_read_is_listed_all_the_same() -> None:
    """It is an input: that it cannot be opened is told when it is, and counted."""
    with open_folder() as folder:
        (folder / "a.mp4").write_bytes(b"x")
        (folder / "a.mp4").chmod(0)
        assert run_as_ordinary_user(LIST_IT, folder) == ["a.mp4"]


def test_an_archive_file_that_may_not_be_read_says_so() -> None:
    """A tar or manifest without permission is unreadable, and no archive that is damaged."""
    with open_folder() as folder:
        for name in ("x.tar", "x.csv"):
            (folder / name).write_bytes(b"uri\n")
            (folder / name).chmod(0)
            kind, why = run_as_ordinary_user(LIST_IT, folder / name)
            assert (kind, "Permission denied" in why) == ("ArchiveUnreadableError", True), why


def test_sidecars_are_told_from_recordings() -> None:
    """Calibration, subtitles and licences travel beside recordings."""
    assert is_sidecar("Calib.qca.txt")
    assert is_sidecar("LICENSE")
    assert not is_sidecar("cam01.MP4")
