"""Compressed members of a tar or zip as files that can be sought in, in bounded memory.

Reads the archive; writes nothing. A member of up to `HELD_BYTES` is unpacked once into memory. A
larger one is unpacked as it is read, its last blocks kept, and seeking back before those unpacks
it from its start again. The last compressed tar a process read stays open where it was left, so
that going through its members in order unpacks it once.
"""

from __future__ import annotations

import atexit
import io
import math
import threading
from typing import TYPE_CHECKING

from infra.errors import MediaError
from tasks.archives import tar as tars
from tasks.archives import zip as zips
from tasks.archives.kinds import file_facts, kind_of, members, open_file
from tasks.archives.member import Member, is_known_as
from tasks.archives.reading import Blocks, Reader, within
from tasks.archives.unpack import Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

HELD_BYTES = 64 << 20


def open_packed(
    uri: str, name: str, at: int, size: int | None, max_ratio: float = math.inf
) -> io.BytesIO | Reader:
    """Open the member of an archive whose header is at `at`, or that is known as `name`.

    `at` and `size` are what the listing said; 0 and None where that was not kept.

    Raises:
        MediaError: the member's refusal (see `Member`), `limit_ratio`, `limit_bytes` where it
            holds more than it declares, `damaged_member` where less, `no_such_member`.
        OSError: the archive cannot be read.
    """
    with open_file(uri) as file:
        kind = kind_of(file, uri)
    if kind == "zip":
        return _open_zip(uri, name, at, size, max_ratio)
    return _open_tar(uri, name, at, max_ratio)


def _open_zip(
    uri: str, name: str, at: int, size: int | None, max_ratio: float
) -> io.BytesIO | Reader:
    with open_file(uri) as file:
        whole = file.seek(0, 2)
        found = zips.data_start(file, at)
        if size is None or found is None or not is_known_as(found.name, name):
            member = _search(uri, "zip", name)
            found, size = zips.data_start(file, member.header_at), member.size
    if found is None:
        raise MediaError(f"{name} in {uri} has no header", reason="damaged_member")
    _require_readable(found.refusal, uri, name)
    data_at, way = found.data_at, found.way
    if not way:
        return within(open_file(uri), data_at, size)

    def begin() -> Unpacked:
        packed = within(open_file(uri), data_at, whole - data_at)
        return Unpacked(packed, way, f"{name} in {uri}", max_ratio)

    stream = _Stream(begin, begin(), 0, size, is_all=True)
    return stream.opened(stream.close)


def _open_tar(uri: str, name: str, at: int, max_ratio: float) -> io.BytesIO | Reader:
    key = (uri, *file_facts(uri))
    tar = _KEPT.take(key, at)
    try:
        member = _tar_member(tar, uri, at)
        if member is None or not is_known_as(member.name, name):
            at = _search(uri, "tar", name).header_at
            if at < tar.at:
                tar.close()
                tar = _fresh(uri)
            member = _tar_member(tar, uri, at)
        member = _accepted(member, uri, name)
        tar.judge_from_here(max_ratio)
    except BaseException:
        tar.close()
        raise
    # Begun anew, the ratio is not judged: what has been passed once is known.
    stream = _Stream(lambda: _fresh(uri), tar, tar.at, member.size, is_all=False)
    return stream.opened(lambda: _KEPT.leave(key, stream.stream))


def _tar_member(tar: Unpacked, uri: str, at: int) -> Member | None:
    """Return the member whose header is at a place, the tar then at its bytes; None if none is."""
    if not tar.skip_to(at):
        return None
    try:
        found = tars.next_member(tar, uri)
    except MediaError as error:
        # No header there: the archive is not the one that was listed.
        if error.reason != tars.DAMAGED:
            raise
        return None
    return found[0] if found else None


def _search(uri: str, kind: str, name: str) -> Member:
    with open_file(uri) as file:
        every = members(file, kind, uri, math.inf)
        found = next((member for known_as, member in every if known_as == name), None)
        return _accepted(found, uri, name)


def _accepted(member: Member | None, uri: str, name: str) -> Member:
    if member is None:
        raise MediaError(f"{uri} has no member {name}", reason="no_such_member")
    _require_readable(member.refusal, uri, name)
    return member


def _require_readable(refusal: str | None, uri: str, name: str) -> None:
    if refusal:
        raise MediaError(f"{name} in {uri} cannot be read in place: {refusal}", reason=refusal)


class _Stream:
    """A member's `size` bytes from `start` of an unpacked stream; going back begins it anew.

    `is_all`: the stream ends where the member does, or the member lied about its size.
    """

    def __init__(
        self,
        begin: Callable[[], Unpacked],
        stream: Unpacked,
        start: int,
        size: int,
        *,
        is_all: bool,
    ) -> None:
        self.stream = stream
        self._begin, self._start, self._size, self._is_all = begin, start, size, is_all

    def opened(self, release: Callable[[], None]) -> io.BytesIO | Reader:
        """Return the member as a file: all of it held, or its last blocks."""
        if self._size > HELD_BYTES:
            return Reader(self._size, Blocks(self._size, self.fetch).pull, release)
        try:
            return io.BytesIO(self.fetch(0, self._size))
        finally:
            release()

    def fetch(self, at: int, count: int) -> bytes:
        """Unpack exactly `count` bytes from `at`."""
        if self._start + at < self.stream.at:
            self.stream.close()
            self.stream = self._begin()
        there = self.stream.skip_to(self._start + at)
        data = self.stream.read(count) if there else b""
        if len(data) < count:
            raise MediaError("a member ends before its size", reason="damaged_member")
        if self._is_all and at + count == self._size and self.stream.read(1):
            raise MediaError("a member holds more than it declares", reason="limit_bytes")
        return data

    def close(self) -> None:
        """Close the stream as it is now."""
        self.stream.close()


class _Kept:
    """The one compressed tar that stays open, for whoever reads on from where it stands.

    It is taken out while in use: threads never share a stream.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[tuple[str, int, int], Unpacked] | None = None

    def take(self, key: tuple[str, int, int], at: int) -> Unpacked:
        """Return a stream of an archive that stands at or before a place, and is the caller's."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            if kept[0] == key and kept[1].at <= at:
                return kept[1]
            kept[1].close()
        return _fresh(key[0])

    def leave(self, key: tuple[str, int, int], stream: Unpacked) -> None:
        """Keep a stream, in place of what was kept."""
        stream.judge_from_here(math.inf)
        with self._lock:
            before, self._kept = self._kept, (key, stream)
        if before is not None:
            before[1].close()

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            before, self._kept = self._kept, None
        if before is not None:
            before[1].close()


def _fresh(uri: str) -> Unpacked:
    return tars.open_tar(open_file(uri), uri)


_KEPT = _Kept()
atexit.register(_KEPT.clear)
