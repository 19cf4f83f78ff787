"""Where a recording's bytes are.

`Source` names a file, object, byte range or compressed member and a video stream in it; whoever
wants its bytes gets them by `open_bytes`. Reads; writes nothing.
"""

from __future__ import annotations

import errno
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalog import ids
from infra.errors import MediaError
from tasks.archives.objects import is_object_uri, open_object
from tasks.archives.packed import open_packed
from tasks.archives.reading import within
from tasks.archives.unpack import MAX_RATIO

if TYPE_CHECKING:
    import io

# The containers that are read. Others the library knows are playlists and scripts, which reach
# for other files and addresses, still pictures, and text that it would draw as a terminal.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg",
    "rm", "mxf", "gxf", "nut", "nsv", "nuv", "dv", "ivf", "obu", "av1", "h261", "h263", "h264",
    "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "vc1", "cavsvideo", "dirac", "dnxhd",
    "yuv4mpegpipe", "swf", "amv", "wtv", "live_flv", "roq", "smk", "bink", "flic", "gif", "apng",
    "lxf", "ty", "pmp", "mtv", "dhav", "wav", "mp3", "aac", "flac", "aiff", "ac3", "eac3",
    "amr", "caf", "dts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """One video stream of a file or object, of a byte range of one, or of a compressed member.

    `uri` is a local path, or `s3://bucket/key`, `gs://bucket/key` (see `archives/objects.py`).
    `offset` and `size` are in bytes, `size` None reads to the end. With `member` the uri is a tar
    or zip, and they are where the member's header is and what it unpacks to (0 and None: the
    member is searched by name). `stream` counts the video streams, cover pictures left out.
    """

    uri: str
    offset: int = 0
    size: int | None = None
    stream: int = 0
    member: str | None = None

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return self.uri if self.member is None else f"{self.member} in {self.uri}"

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole file or object."""
        return self.offset == 0 and self.size is None and self.member is None

    @property
    def is_local_file(self) -> bool:
        """Whether the operating system can open it by its name."""
        return self.is_whole and not is_object_uri(self.uri)


def open_bytes(source: Source, *, max_ratio: float = math.inf) -> io.RawIOBase | io.BytesIO:
    """Open a source's bytes as a file of their own, unbuffered, that can be read and sought in.

    Raises:
        MediaError: `not_a_video` for a folder or device, and for a member of a tar or zip as
            `open_packed`.
        OSError: it is not there, may not be read, or its storage fails; so do the file's reads.
    """
    if source.member is not None:
        return open_packed(source.uri, source.member, source.offset, source.size, max_ratio)
    file = open_object(source.uri) if is_object_uri(source.uri) else _open_local(source.uri)
    if source.is_whole:
        return file
    size = max(0, file.seek(0, os.SEEK_END) - source.offset)
    return within(file, source.offset, size if source.size is None else min(size, source.size))


def _open_local(path: str) -> io.FileIO:
    # Asked before it is opened: to open a pipe is to wait for whoever fills it.
    if not Path(path).is_file():
        Path(path).stat()
        raise MediaError(f"{path} is not a file", reason="not_a_video")
    return Path(path).open("rb", buffering=0)


def fingerprint(source: Source, *, max_bytes: int = 1 << 40, max_ratio: float = MAX_RATIO) -> str:
    """Return the id of a source's bytes: the same wherever they lie and however they are packed.

    Raises:
        MediaError: `limit_bytes`, `limit_ratio`, and as `open_bytes`.
        OSError: it cannot be read, or ends before `size` bytes were there.
    """
    if source.size is not None and source.size > max_bytes:
        raise _too_large(source, source.size, max_bytes)
    with open_bytes(source, max_ratio=max_ratio) as file:
        size = file.seek(0, os.SEEK_END)
        if size > max_bytes:
            raise _too_large(source, size, max_bytes)
        if source.size is not None and size < source.size:
            raise OSError(errno.EIO, f"ends {source.size - size} bytes early", source.uri)
        if source.member is None and not is_object_uri(source.uri):
            return ids.file_id(source.uri, offset=source.offset, size=size)
        file.seek(0)
        return ids.bytes_id(file)


def _too_large(source: Source, size: int, limit: int) -> MediaError:
    return MediaError(f"{source.name} has {size} bytes, more than {limit}", reason="limit_bytes")


def byte_size(source: Source) -> int:
    """Return how many bytes a source has, once it is sure that they may be read.

    Raises:
        MediaError: `empty_file`, and as `open_bytes`.
        OSError: the file is not there or may not be read.
    """
    with open_bytes(source) as file:
        return require_bytes(source, file)


def require_bytes(source: Source, file: io.RawIOBase | io.BytesIO) -> int:
    """Return the bytes of an open source that begins to read, and leave it at its start.

    Raises:
        MediaError: `empty_file`.
        OSError: the storage fails.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0 or not file.read(1):
        raise MediaError(f"{source.name} is empty", reason="empty_file")
    file.seek(0)
    return size


def looks_encrypted(source: Source) -> bool:
    """Tell whether an mp4 carries the boxes of a rights management near its start."""
    with open_bytes(source) as file:
        start = file.read(1 << 16) or b""
    return b"ftyp" in start[:16] and (b"pssh" in start or b"encv" in start)


def read_through(source: Source) -> None:
    """Read every byte of a source once, so that failing storage shows itself.

    A demuxer says "input/output error" of damaged contents too; the disk does not lie.

    Raises:
        MediaError: a compressed member does not unpack.
        OSError: the storage fails.
    """
    with open_bytes(source) as file:
        while file.read(1 << 20):
            pass
