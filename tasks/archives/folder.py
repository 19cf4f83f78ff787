"""A folder's files in order of their paths, streamed. Reads folders; writes nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from infra.errors import ArchiveUnreadableError
from tasks.archives.entry import Entry, is_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator


def list_folder(root: str) -> Iterator[Entry]:
    """Yield the files below a folder that may be recordings, in order of their member paths.

    Links to folders are not followed (a loop would not end). A link to a file is that file,
    wherever it lies: annexes and caches keep data elsewhere. One that leads nowhere is an entry
    of 0 bytes, whose opening says so. What vanishes meanwhile is not there. Memory grows with the
    largest folder (110 bytes a name), not with the archive.

    Raises:
        ArchiveUnreadableError: a folder may not be listed: half an archive is not the archive.
    """
    # An own stack: generators inside generators would cost each file its depth.
    waiting = [("", iter(_names(root)))]
    while waiting:
        prefix, names = waiting[-1]
        name = next(names, None)
        if name is None:
            waiting.pop()
        elif name.endswith("/"):
            waiting.append((prefix + name, iter(_names(f"{root}/{prefix}{name}"))))
        else:
            entry = _entry(root, prefix + name)
            if entry is not None:
                yield entry


def _names(folder: str) -> list[str]:
    """Return the names in a folder that count, sorted; folders end in a slash.

    With the slash, since the order of paths is meant: `a-1.mp4` comes before `a/1.mp4`.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(
                f"{child.name}/" if child.is_dir(follow_symlinks=False) else child.name
                for child in found
                if not child.name.startswith(".") and _counts(child)
            )
    except OSError as error:
        raise ArchiveUnreadableError(
            f"The folder {folder} may not be read: {error.strerror}.",
            command=f"chmod -R u+rX {folder}",
        ) from error


def _counts(child: os.DirEntry[str]) -> bool:
    if child.is_dir(follow_symlinks=False):
        return True
    if is_sidecar(child.name):
        return False
    return child.is_file(follow_symlinks=False) or child.is_symlink()


def _entry(root: str, member: str) -> Entry | None:
    path = f"{root}/{member}"
    try:
        facts = os.stat(path)  # noqa: PTH116 - a million of them
    except OSError:
        return _dangling(root, member)
    # A link to a folder, or to a device.
    if not stat.S_ISREG(facts.st_mode):
        return None
    return Entry(root, member, facts.st_size, facts.st_mtime_ns)


def _dangling(root: str, member: str) -> Entry | None:
    try:
        facts = os.lstat(f"{root}/{member}")
    except FileNotFoundError:
        return None
    return Entry(root, member, 0, facts.st_mtime_ns)
