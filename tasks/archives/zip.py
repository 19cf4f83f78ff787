"""The central directory of a zip, read as a stream: members and where their bytes start.

Reads a zip; writes nothing. The standard library holds every member in memory: 0.7 GB for a
million. Zip64, data descriptors and bytes before the zip are understood; several disks are not.
"""

from __future__ import annotations

import calendar
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from infra.errors import MediaError
from tasks.archives.member import Member
from tasks.archives.reading import exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.archives.reading import File

END, END_SIZE = b"PK\x05\x06", 22
LOCATOR, LOCATOR_SIZE = b"PK\x06\x07", 20
END64, END64_SIZE = b"PK\x06\x06", 56
CENTRAL, CENTRAL_SIZE = b"PK\x01\x02", 46
LOCAL, LOCAL_SIZE = b"PK\x03\x04", 30
LONGEST_COMMENT = (1 << 16) - 1
CHUNK = 1 << 20
WAYS = {0: "", 8: "deflate", 12: "one bzip2"}
ENCRYPTED, UTF8 = 1 << 0, 1 << 11
FULL32 = (1 << 32) - 1


class _Directory(NamedTuple):
    """Where the central directory is; `shift` is how many bytes stand before the zip."""

    start: int
    size: int
    shift: int


class Local(NamedTuple):
    """What a local header says: where the data starts, under which name, and how it is packed."""

    data_at: int
    name: str
    way: str
    refusal: str | None


def members(file: File, name: str) -> Iterator[Member]:
    """Yield the files of a zip in the order of its central directory.

    Raises:
        MediaError: `damaged_archive`.
        OSError: the storage fails.
    """
    whole = file.seek(0, 2)
    directory = _directory(file, whole, name)
    claimed = 0
    for record in _records(file, directory, name):
        member, packed_size = _member(record, directory.shift)
        claimed += packed_size
        # Bombs let many members share the same compressed bytes.
        if claimed > whole:
            raise _damaged(name, "its members overlap")
        if not member.name.endswith("/"):
            yield _placed(file, member, packed_size)


def data_start(file: File, header_at: int) -> Local | None:
    """Read the local header of a member; None where there is none."""
    file.seek(header_at)
    head = exactly(file, LOCAL_SIZE)
    if len(head) < LOCAL_SIZE or not head.startswith(LOCAL):
        return None
    flags, method = struct.unpack_from("<HH", head, 6)
    name_size, extra_size = struct.unpack_from("<HH", head, 26)
    name = _text(exactly(file, name_size), is_utf8=bool(flags & UTF8))
    data_at = header_at + LOCAL_SIZE + name_size + extra_size
    return Local(data_at, name, WAYS.get(method, ""), _refusal(flags, method))


def _placed(file: File, member: Member, packed_size: int) -> Member:
    """Return a member with the place of its bytes, which only its local header tells."""
    if member.refusal or member.way:
        return member
    found = data_start(file, member.header_at)
    if found is None or packed_size != member.size:
        return replace(member, refusal="damaged_member")
    return replace(member, data_at=found.data_at)


def _directory(file: File, whole: int, name: str) -> _Directory:
    tail_at = max(0, whole - END_SIZE - LONGEST_COMMENT)
    file.seek(tail_at)
    tail = exactly(file, whole - tail_at)
    at = _end(tail)
    if at < 0:
        raise _damaged(name, "it has no end of a central directory; it may be cut short")
    size, start = struct.unpack_from("<LL", tail, at + 12)
    end = tail_at + at
    if at >= LOCATOR_SIZE and tail[at - LOCATOR_SIZE : at].startswith(LOCATOR):
        (said_at,) = struct.unpack_from("<Q", tail, at - LOCATOR_SIZE + 8)
        # Bytes before the zip shift all it says; the record stands right before its locator.
        for end64 in (min(said_at, whole), end - LOCATOR_SIZE - END64_SIZE):
            file.seek(max(0, end64))
            head = exactly(file, END64_SIZE)
            if len(head) == END64_SIZE and head.startswith(END64):
                size, start = struct.unpack_from("<QQ", head, 40)
                end = end64
                break
        else:
            raise _damaged(name, "its zip64 record is not where it says")
    shift = end - size - start
    if shift < 0:
        raise _damaged(name, "its central directory would reach outside")
    return _Directory(start + shift, size, shift)


def _end(tail: bytes) -> int:
    """Return where the last record starts: the one whose comment ends the file, else the last."""
    last = at = tail.rfind(END, 0, max(0, len(tail) - END_SIZE + len(END)))
    while at >= 0:
        (comment,) = struct.unpack_from("<H", tail, at + 20)
        if at + END_SIZE + comment == len(tail):
            return at
        at = tail.rfind(END, 0, at + len(END) - 1)
    return last


def _records(file: File, directory: _Directory, name: str) -> Iterator[bytes]:
    """Yield each record of the central directory, reading it by the MiB."""
    at, end, buffer, used = directory.start, directory.start + directory.size, b"", 0
    while at < end or used < len(buffer):
        # A record has at most 46 bytes and three fields of 64 KiB.
        if len(buffer) - used < CENTRAL_SIZE + 3 * LONGEST_COMMENT and at < end:
            file.seek(at)
            more = exactly(file, min(CHUNK, end - at))
            if not more:
                raise _damaged(name, "it is cut short")
            buffer, used, at = buffer[used:] + more, 0, at + len(more)
        head = buffer[used : used + CENTRAL_SIZE]
        if len(head) < CENTRAL_SIZE or not head.startswith(CENTRAL):
            raise _damaged(name, "its central directory is not one")
        length = CENTRAL_SIZE + sum(struct.unpack_from("<HHH", head, 28))
        record = buffer[used : used + length]
        if len(record) < length:
            raise _damaged(name, "its central directory is cut short")
        used += length
        yield record


def _member(record: bytes, shift: int) -> tuple[Member, int]:
    """Return what a record says, and how many bytes its member takes in the zip."""
    flags, method, clock, date = struct.unpack_from("<HHHH", record, 8)
    packed, size = struct.unpack_from("<LL", record, 20)
    name_size, extra_size = struct.unpack_from("<HH", record, 28)
    (header_at,) = struct.unpack_from("<L", record, 42)
    raw = record[CENTRAL_SIZE : CENTRAL_SIZE + name_size]
    extra = record[CENTRAL_SIZE + name_size : CENTRAL_SIZE + name_size + extra_size]
    mtime_ns = _dos_time_ns(date, clock)
    for kind, data in _extras(extra):
        if kind == 1:  # zip64: the fields that are full, in this order
            values = iter(struct.unpack_from(f"<{len(data) // 8}Q", data))
            size = next(values, size) if size == FULL32 else size
            packed = next(values, packed) if packed == FULL32 else packed
            header_at = next(values, header_at) if header_at == FULL32 else header_at
        elif kind == 0x5455 and len(data) >= 5 and data[0] & 1:  # seconds since 1970
            mtime_ns = struct.unpack_from("<l", data, 1)[0] * 1_000_000_000
    # A link is a file that holds a path: no video, and never followed.
    refusal = _refusal(flags, method)
    name = _text(raw, is_utf8=bool(flags & UTF8))
    way = WAYS.get(method, "")
    return Member(name, size, mtime_ns, header_at + shift, None, way, refusal), packed


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + size]
        at += 4 + size


def _text(raw: bytes, *, is_utf8: bool) -> str:
    """Decode a name. One that does not say it is UTF-8 is cp437, by the standard; mostly UTF-8."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "backslashreplace") if is_utf8 else raw.decode("cp437")
    return text.replace("\\", "/")


def _refusal(flags: int, method: int) -> str | None:
    if flags & ENCRYPTED:
        return "encrypted"
    return None if method in WAYS else "unknown_packing"


def _dos_time_ns(date: int, clock: int) -> int:
    """Return a time of day without a zone, two seconds fine, as if it were UTC."""
    days = ((date >> 9) + 1980, max(1, date >> 5 & 15), max(1, date & 31))
    day = (*days, clock >> 11, clock >> 5 & 63, (clock & 31) * 2)
    return calendar.timegm((*day, 0, 0, 0)) * 1_000_000_000 if days[1] <= 12 else 0


def _damaged(name: str, why: str) -> MediaError:
    return MediaError(f"{name} is damaged: {why}", reason="damaged_archive")
