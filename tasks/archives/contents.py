"""What is in an archive: lists its files, whatever kind of archive it is.

Reads a folder, a tar or zip, a prefix of an object store, or a manifest, read-only; writes
nothing. What each kind means is in `tasks/archives/`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import (
    ArchiveDamagedError,
    ArchiveNotFoundError,
    ArchiveUnreadableError,
    MediaError,
)
from tasks.archives.entry import Entry, is_sidecar, may_be_recording, source_of
from tasks.archives.folder import list_folder
from tasks.archives.kinds import is_manifest, kind_of, members, open_file, open_to_list
from tasks.archives.manifest import list_manifest
from tasks.archives.objects import is_object_uri, list_objects, parse
from tasks.archives.unpack import MAX_RATIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.settings import Settings

__all__ = [
    "Entry",
    "archive_uri",
    "is_sidecar",
    "list_archive",
    "source_of",
]
KINDS = "a folder, tar, zip, s3:// or gs:// prefix, or a manifest (.csv, .parquet)"


def archive_uri(location: str | Path) -> str:
    """Return the archive's one name: its absolute path without links, or its URI made regular.

    Raises:
        UsageError: it begins like the URI of a store and is none.
    """
    if is_object_uri(str(location)):
        return parse(str(location)).uri
    # Not by pathlib, which fails on a link to itself.
    return os.path.realpath(Path(location).expanduser())


def list_archive(location: str | Path, settings: Settings | None = None) -> Iterator[Entry]:
    """Yield every file that may be a recording; a folder's in order of their member paths.

    Hidden files and sidecars are left out, except where a manifest names them. The listing is
    streamed: memory does not grow with the archive but by a name's worth a file. What is wrong
    with a single member shows when it is opened.

    Raises:
        ArchiveNotFoundError: nothing is there, or nothing that is an archive.
        ArchiveUnreadableError: part of it may not be listed, or its storage fails on the way.
        ArchiveDamagedError: a tar or zip is cut short, damaged or a bomb.
        ManifestInvalidError: see `list_manifest`.
    """
    uri = archive_uri(location)
    max_ratio = settings.max_ratio if settings else MAX_RATIO
    if is_object_uri(uri):
        return _guarded(uri, _list_store(uri, max_ratio))
    try:
        mode = Path(uri).stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArchiveNotFoundError(
            f"No archive at {uri}: the path does not exist.", command=f"ls {_above(uri)}"
        ) from error
    except OSError as error:
        raise _unreadable(uri, error) from error
    if stat.S_ISDIR(mode):
        return list_folder(uri.rstrip("/"))
    if not stat.S_ISREG(mode):  # to open a pipe is to wait for whoever fills it
        raise _no_archive(uri)
    if is_manifest(uri):
        return _guarded(uri, list_manifest(uri))
    return _guarded(uri, _list_file(uri, _kind(uri), max_ratio))


def _kind(uri: str) -> str:
    """Tell a tar from a zip."""
    try:
        with open_file(uri) as file:
            kind = kind_of(file, uri)
    except OSError as error:
        raise _unreadable(uri, error) from error
    if kind is None:
        raise _no_archive(uri)
    return kind


def _no_archive(uri: str) -> ArchiveNotFoundError:
    return ArchiveNotFoundError(
        f"{uri} is a file and no archive; an archive is {KINDS}.", command=_look(_above(uri))
    )


def _above(uri: str) -> str:
    """Return the folder or prefix that a file or object is in, for a command."""
    place = uri.partition("?endpoint_override=")[0]
    return place.rpartition("/")[0] or "/"


def _list_file(uri: str, kind: str, max_ratio: float) -> Iterator[Entry]:
    with open_to_list(uri) as file:
        for name, member in members(file, kind, uri, max_ratio):
            if may_be_recording(name):
                packed = member.data_at is None
                at = member.header_at if member.data_at is None else member.data_at
                yield Entry(uri, name, member.size, member.mtime_ns, at, packed)


def _list_store(uri: str, max_ratio: float) -> Iterator[Entry]:
    """List an object that is an archive or a manifest, else the objects under a prefix."""
    place = parse(uri)
    try:
        file = open_file(uri) if place.key else None
    except FileNotFoundError:
        file = None
    if file is None:
        for member, size, mtime_ns in list_objects(place):
            if may_be_recording(member):
                yield Entry(uri, member, size, mtime_ns)
        return
    file.close()
    yield from list_manifest(uri) if is_manifest(uri) else _list_file(uri, _kind(uri), max_ratio)


def _guarded(uri: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Turn what goes wrong on the way into errors with a remedy: half a listing is none."""
    try:
        yield from entries
    except FileNotFoundError as error:
        raise ArchiveNotFoundError(
            f"No archive at {uri}: {error.strerror}.", command=_look(_above(uri))
        ) from error
    except OSError as error:
        raise _unreadable(uri, error) from error
    except MediaError as error:
        raise ArchiveDamagedError(f"{error}.", command=_remedy(uri, error)) from error


def _remedy(uri: str, error: MediaError) -> str:
    if error.reason == "limit_ratio":
        return f"STILLHOUSE_MAX_RATIO=1000 stillhouse ingest {uri}"
    return f"unzip -t {uri}" if uri.lower().endswith(".zip") else f"tar -tf {uri}"


def _unreadable(uri: str, error: OSError) -> ArchiveUnreadableError:
    return ArchiveUnreadableError(
        f"The archive {uri} cannot be read: {error.strerror or error}.", command=_look(uri)
    )


def _look(uri: str) -> str:
    """Return the command that shows what is there."""
    if uri.startswith("gs:"):
        return f"gcloud storage ls {uri}"
    if uri.startswith("s3:"):
        return f"aws s3 ls {uri.partition('?endpoint_override=')[0]}"
    return f"ls -l {uri}"
