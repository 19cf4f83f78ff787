"""Which kind of archive a file is, and its members one by one. Reads it; writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.archives import tar, zip  # noqa: A004 - the medium, not the function
from tasks.archives.member import Member, named
from tasks.archives.objects import is_object_uri, object_facts, open_object, parse
from tasks.archives.reading import HEADER_BYTES
from tasks.archives.unpack import way_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.archives.reading import File

ZIP_STARTS = (zip.LOCAL, zip.END)
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MANIFEST_ENDINGS = (".csv", ".parquet")


def open_file(uri: str) -> File:
    """Open a local file or an object, unbuffered.

    Raises:
        OSError: it is not there or may not be read.
    """
    return open_object(uri) if is_object_uri(uri) else Path(uri).open("rb", buffering=0)


def open_to_list(uri: str) -> File:
    """Open an archive for a walk through its headers. Raises as `open_file`."""
    if not is_object_uri(uri):
        return open_file(uri)
    file = open_object(uri, HEADER_BYTES)
    if not way_of(file.read(6)):
        return file
    # All of it is read.
    file.close()
    return open_object(uri)


def file_facts(uri: str) -> tuple[int, int]:
    """Return the bytes and the time of change, in ns, of a local file or an object.

    Raises:
        OSError: it is not there or cannot be asked.
    """
    if not is_object_uri(uri):
        facts = Path(uri).stat()
        return facts.st_size, facts.st_mtime_ns
    (found,) = object_facts([parse(uri)])
    if found is None:
        raise FileNotFoundError(2, "No such object", uri)
    return found


def is_manifest(uri: str) -> bool:
    """Tell by its name whether a file is a manifest."""
    return path_of(uri).lower().endswith(MANIFEST_ENDINGS)


def kind_of(file: File, uri: str) -> str | None:
    """Tell whether a file is a tar or zip by its start, or else its name; None for neither."""
    file.seek(0)
    start, lower = file.read(512) or b"", path_of(uri).lower()
    if start.startswith(ZIP_STARTS) or lower.endswith(".zip"):
        return "zip"
    return "tar" if start[257:262] == b"ustar" or lower.endswith(TAR_ENDINGS) else None


def members(file: File, kind: str, uri: str, max_ratio: float) -> Iterator[tuple[str, Member]]:
    """Yield the members of an archive with the names they are known by (see `named`).

    Raises:
        MediaError: `damaged_archive`, `damaged_member`, `limit_ratio`.
        OSError: the storage fails.
    """
    if kind == "zip":
        return named(zip.members(file, uri))
    return named(tar.members(tar.open_tar(file, uri, max_ratio), uri))


def path_of(uri: str) -> str:
    """Return a path, or the key of an object."""
    return parse(uri).key if is_object_uri(uri) else uri
