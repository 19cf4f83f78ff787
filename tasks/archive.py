"""What is in an archive: lists its files and fingerprints their bytes.

Reads a folder, read-only; writes nothing. Folders for now; tar, zip and object stores belong here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import ArchiveNotFoundError, ArchiveUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Files that travel beside recordings and are not themselves recordings. Everything else in an
# archive is an input and ends as done, cached or quarantined: nothing is passed over in silence.
SIDECAR_SUFFIXES = frozenset(
    {".txt", ".md", ".json", ".toml", ".yaml", ".yml", ".csv", ".tsv", ".xml", ".parquet"}
    | {".srt", ".vtt", ".ass", ".log", ".pdf", ".html", ".png", ".jpg", ".jpeg", ".npy", ".npz"}
    | {".dat", ".c3d", ".trc", ".mot", ".sha256", ".md5", ".partial"}
)
SIDECAR_NAMES = frozenset({"LICENSE", "COPYING", "README", "NOTICE", "CHANGELOG", "Makefile"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive as its listing shows it; nothing of it has been read.

    `member` is its path inside the archive with forward slashes; `path` opens it.
    """

    archive_uri: str
    member: str
    path: str
    size_bytes: int
    mtime_ns: int
    byte_offset: int | None = None
    session: str | None = None
    camera: str | None = None
    labels: str | None = None


def archive_uri(location: str | Path) -> str:
    """Return the archive's one name: its absolute path without links."""
    return str(Path(location).expanduser().resolve())


def list_archive(location: str | Path) -> Iterator[Entry]:
    """Yield every file that may be a recording, in order of its member path.

    Hidden files and sidecars are left out, links to folders are not followed (a loop would not
    end), and the listing is streamed: memory does not grow with the archive's size.

    Raises:
        ArchiveNotFoundError: nothing is there.
        ArchiveUnreadableError: a folder of it may not be listed.
    """
    root = Path(archive_uri(location))
    if not root.exists():
        raise ArchiveNotFoundError(
            f"No archive at {root}: the path does not exist.", command=f"ls {root.parent}"
        )
    if root.is_file():
        raise ArchiveNotFoundError(
            f"{root} is a file; an archive is a folder for now.",
            command=f"stillhouse ingest {root.parent}",
        )
    return _walk(str(root), str(root), "")


def _walk(root: str, folder: str, prefix: str) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            children = sorted(found, key=lambda child: child.name)
    except PermissionError as error:
        raise ArchiveUnreadableError(
            f"The folder {folder} may not be read: {error.strerror}.",
            command=f"chmod -R u+rX {folder}",
        ) from error
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir(follow_symlinks=False):
            yield from _walk(root, child.path, f"{prefix}{child.name}/")
        elif child.is_file() and not is_sidecar(child.name):
            facts = child.stat()
            yield Entry(root, prefix + child.name, child.path, facts.st_size, facts.st_mtime_ns)


def is_sidecar(name: str) -> bool:
    """Tell whether a file travels beside recordings rather than being one."""
    path = Path(name)
    return path.suffix.lower() in SIDECAR_SUFFIXES or path.name in SIDECAR_NAMES
