from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from infra.errors import DiskFullError, HomeNotWritableError
from infra.storage import (
    atomic_write_bytes,
    atomic_write_json,
    directory_bytes,
    disk_errors,
    ensure_free,
)


def test_a_written_file_is_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """An atomic write makes its folders, replaces what was there, and leaves one file."""
    target = tmp_path / "a" / "b.json"
    atomic_write_json(target, {"z": 1, "a": "é"})
    atomic_write_json(target, {"z": 2, "a": "é"})
    assert json.loads(target.read_text("utf-8")) == {"a": "é", "z": 2}
    assert [path.name for path in target.parent.iterdir()] == ["b.json"]


def test_a_refused_write_keeps_the_old_file_and_removes_its_own(tmp_path: Path) -> None:
    """A target that cannot be replaced stays as it was, without a partial file beside it."""
    target = tmp_path / "taken"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        atomic_write_bytes(target, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_full_disk_is_named_as_such() -> None:
    """A device without space gives DiskFullError with the file's name and a command."""
    with pytest.raises(DiskFullError) as caught, disk_errors("/dev/full"):
        Path("/dev/full").write_bytes(b"x")
    assert "/dev/full" in str(caught.value)
    assert caught.value.command == "df -h ."


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_read_only_home_is_named_as_such(code: int) -> None:
    """Refusals to write become HomeNotWritableError, which names the variable to set."""
    with pytest.raises(HomeNotWritableError, match="/home/x") as caught, disk_errors():
        raise OSError(code, "refused", "/home/x")
    assert "STILLHOUSE_HOME" in str(caught.value.command)


def test_other_faults_pass_unchanged() -> None:
    """A missing file is no fault of the disk."""
    with pytest.raises(FileNotFoundError), disk_errors():
        Path("/nowhere/at/all").read_bytes()


def test_free_space_is_asked_of_the_disk_that_will_hold_the_folder(tmp_path: Path) -> None:
    """A folder that does not exist yet has the free space of the one above it."""
    assert ensure_free(tmp_path / "not" / "yet", 1) > 1
    with pytest.raises(DiskFullError, match="MiB are needed"):
        ensure_free(tmp_path / "not" / "yet", 1 << 60)


def test_a_folder_weighs_its_files(tmp_path: Path) -> None:
    """Bytes of all files below count once; links and absent folders weigh nothing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "one").write_bytes(b"x" * 100)
    (tmp_path / "in" / "two").write_bytes(b"x" * 23)
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    link = (tmp_path / "loop").lstat().st_size
    assert directory_bytes(tmp_path) == 123 + link
    assert directory_bytes(tmp_path / "absent") == 0
