"""Disks: writes that are whole or absent, and their faults as errors a user can act on.

Writes the files it is told to; reads how much room and how many bytes there are.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from infra.errors import DiskFullError, HomeNotWritableError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STORES_CLIENTS = frozenset({"deltalake", "duckdb", "_duckdb"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def disk_errors(home: Path | str | None = None) -> Iterator[None]:
    """Turn the disk's refusals inside the block into errors with a remedy.

    Put it around writes into the home folder only: a file of an archive that may not be read is
    another matter. `home` is named in the message where the system names no file.

    Raises:
        DiskFullError: no space, or the user's quota is used up.
        HomeNotWritableError: the file system is read-only or permission is missing.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or home or "the home folder"
        if error.errno in _FULL:
            raise DiskFullError(f"No space left to write {where}.", command="df -h .") from error
        if error.errno in _READ_ONLY:
            raise HomeNotWritableError(
                f"{where} cannot be written: {error.strerror}.",
                command="export STILLHOUSE_HOME=/a/folder/of/yours",
            ) from error
        raise


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what an object store, or the way to it, fails with into an error with a remedy.

    Put it around reads and writes of a catalog; of a path on a disk every error goes on as it is.
    Clients have tried for 2 to 12 s by then, which a restarted store is back in.

    Raises:
        StoreUnavailableError: the store does not answer, or refuses.
    """
    try:
        yield
    except Exception as error:
        # Arrow's client says it by OSError; the tables' logs and the SQL engine by their own.
        theirs = type(error).__module__.partition(".")[0] in _STORES_CLIENTS
        if "://" not in uri or not (isinstance(error, OSError) or theirs):
            raise
        if isinstance(error, FileNotFoundError):
            raise
        first = " ".join(str(error).split())
        raise StoreUnavailableError(
            f"The store of {uri} fails: {first[:300]}", command="stillhouse show runs"
        ) from error


def atomic_write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file that others see whole or not at all, even if this process is killed.

    Folders are made where missing.

    Raises:
        DiskFullError, HomeNotWritableError: see `disk_errors`; nothing is left behind.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the move does not cross file systems.
        part = path.with_name(f".{path.name}.{uuid4().hex}.partial")
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def atomic_write_json(path: Path, value: object) -> None:
    """Write `value` as JSON, keys sorted so that equal values give equal bytes.

    Raises:
        DiskFullError, HomeNotWritableError: see `disk_errors`.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    atomic_write_bytes(path, f"{text}\n".encode())


def ensure_free(path: Path | str, min_bytes: int) -> int:
    """Return the free bytes of the disk that holds `path` (which need not exist yet).

    Raises:
        DiskFullError: fewer than `min_bytes` are free.
    """
    at = Path(path).absolute()
    while not at.exists():
        at = at.parent
    free = shutil.disk_usage(at).free
    if free < min_bytes:
        raise DiskFullError(
            f"{at} has {free / 2**20:,.0f} MiB free; {min_bytes / 2**20:,.0f} MiB are needed.",
            command=f"df -h {at}",
        )
    return free


def directory_bytes(path: Path | str) -> int:
    """Return the bytes of all files below `path`; 0 if it is not there.

    Links are not followed; a file that disappears meanwhile counts as nothing.
    """
    total = 0
    folders = [str(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                entries = list(found)
        except FileNotFoundError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
    return total
