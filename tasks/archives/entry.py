"""One line of a listing, and how a member's bytes are found again. Reads and writes nothing."""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, replace
from pathlib import Path

from infra.errors import MediaError
from tasks.archives.kinds import is_manifest
from tasks.archives.objects import is_object_uri, parse
from tasks.recordings.media import Source

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

    `member` is its path inside the archive with forward slashes, or its uri as a manifest has it.
    `size_bytes` is the size of what is read: of a compressed member, what it unpacks to. A member
    of a tar or zip starts at `byte_offset` of the archive's file; one that is `packed` (compressed,
    or a link that is refused when opened) has its *header* there, in a compressed tar counted in
    unpacked bytes. None: it is a file or object of its own. A file may be replaced by one of equal
    size and time at another offset, so all three tell whether it is unchanged. `session`,
    `camera` and `labels` are what a manifest says, None where nothing does.
    """

    archive_uri: str
    member: str
    size_bytes: int
    mtime_ns: int
    byte_offset: int | None = None
    packed: bool = False
    session: str | None = None
    camera: str | None = None
    labels: str | None = None

    @property
    def source(self) -> Source:
        """What the decoder opens: its first video stream."""
        return source_of(
            self.archive_uri, self.member, self.byte_offset, self.size_bytes, packed=self.packed
        )

    @property
    def path(self) -> str:
        """The path or URI of a member that is a file or object of its own.

        Raises:
            ValueError: it is inside a tar or zip; `source` opens any member.
        """
        if self.byte_offset is not None:
            raise ValueError(f"{self.member} is inside {self.archive_uri} and has no path")
        return self.source.uri


def source_of(
    archive_uri: str,
    member: str,
    byte_offset: int | None,
    byte_size: int | None,
    *,
    packed: bool = False,
    stream: int = 0,
) -> Source:
    """Return how a member's bytes are opened, given what the catalog keeps of it.

    Raises:
        MediaError: `member_outside`, if the member of a folder would lie outside it.
    """
    if packed:
        return Source(archive_uri, byte_offset or 0, byte_size, stream, member)
    if byte_offset is not None:
        return Source(archive_uri, byte_offset, byte_size, stream)
    if is_object_uri(archive_uri) and not is_manifest(archive_uri):
        return Source(parse(archive_uri).child(member).uri, stream=stream)
    if is_manifest(archive_uri) and not Path(archive_uri).is_dir():
        return Source(resolve(archive_uri, member), stream=stream)
    if member.startswith("/") or ".." in member.split("/"):
        raise MediaError(f"{member} lies outside {archive_uri}", reason="member_outside")
    return Source(f"{archive_uri.rstrip('/')}/{member}", stream=stream)


def resolve(manifest: str, uri: str) -> str:
    """Return what the uri of a manifest's row names: an object's URI, or an absolute path.

    Relative ones start at the manifest's folder or prefix.

    Raises:
        UsageError: it is a malformed URI of an object.
    """
    if is_object_uri(uri):
        return parse(uri).uri
    if is_object_uri(manifest):
        place = parse(manifest)
        key = posixpath.normpath(posixpath.join("/", posixpath.dirname(place.key), uri))
        return replace(place, key=key.strip("/")).uri
    return os.path.normpath(Path(manifest).parent / uri)


def is_sidecar(name: str) -> bool:
    """Tell whether a file travels beside recordings rather than being one."""
    # Not by pathlib: it keeps every name it has seen.
    last = posixpath.basename(name)
    return posixpath.splitext(last)[1].lower() in SIDECAR_SUFFIXES or last in SIDECAR_NAMES


def may_be_recording(member: str) -> bool:
    """Tell a possible recording from a sidecar and from what is hidden, itself or in a folder."""
    return not (member.startswith(".") or "/." in member or is_sidecar(member))
