"""The headers of a tar, one after the other: ustar, pax and GNU, in memory that does not grow.

Reads the bytes of a tar, unpacked on the way if need be; writes nothing. The standard library's
reader keeps every member, recurses into headers and reads those of any size: made for archives
that one trusts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.errors import MediaError
from tasks.archives.member import Member
from tasks.archives.unpack import Unpacked, way_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.archives.reading import File

BLOCK = 512
DAMAGED = "damaged_archive"
# Names have at most some thousands of bytes, and a member one header each of four kinds.
LONGEST_HEADER, MOST_HEADERS = 1 << 20, 16
FILES, LINKS = frozenset(b"0\x007"), frozenset(b"12")
# Links, devices and folders: whatever their size field says, no bytes follow.
HOLLOW = frozenset(b"123456")
SPARSE, LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL = b"SLKxg"


@dataclass(slots=True)
class _Extended:
    """What headers before a member's own say of it."""

    name: bytes | None = None
    facts: dict[str, bytes] = field(default_factory=dict)


def open_tar(file: File, name: str, max_ratio: float = math.inf) -> Unpacked:
    """Return a tar's bytes from its start, unpacked on the way if it is compressed."""
    start = file.read(6) or b""
    file.seek(0)
    return Unpacked(file, way_of(start), name, max_ratio)


def members(tar: Unpacked, name: str) -> Iterator[Member]:
    """Yield the files of a tar from where it stands, links and sparse ones as refused.

    Folders and devices have no bytes and are left out.

    Raises:
        MediaError: `damaged_archive`, and as `Unpacked.read`.
        OSError: the storage fails.
    """
    while True:
        begin = tar.at
        found = next_member(tar, name)
        if found is None:
            return
        member, end = found
        if member is not None:
            yield member
        if not tar.skip_to(end):
            raise _damaged(name, begin, "it is cut short")


def next_member(tar: Unpacked, name: str) -> tuple[Member | None, int] | None:
    """Read the header a tar stands at: its member and where the next header starts.

    None at the end; the member is None for a folder or device. Raises as `members`.
    """
    begin, said = tar.at, _Extended()
    for _ in range(MOST_HEADERS):
        block = tar.read(BLOCK)
        if not block.strip(b"\0"):
            return None
        if len(block) < BLOCK or not _checks(block):
            raise _damaged(name, begin, "no header is where one should be")
        kind, size = block[156], _number(block[124:136], name, begin)
        if kind in (LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL):
            _note(said, kind, _payload(tar, size, name, begin), name)
            continue
        if kind == SPARSE:
            _skip_sparse_map(tar, block)
        size = _pax_number(said.facts, "size", size, name)
        data_at = tar.at
        end = data_at + (0 if kind in HOLLOW else -(-size // BLOCK) * BLOCK)
        return _member(block, kind, size, said, begin, data_at, way=tar.is_packed), end
    raise _damaged(name, begin, f"a member has more than {MOST_HEADERS} headers")


def _member(
    block: bytes, kind: int, size: int, said: _Extended, begin: int, data_at: int, *, way: bool
) -> Member | None:
    path = _path(block, said)
    is_file = kind in FILES and not path.endswith("/")
    if not (is_file or kind in LINKS or kind == SPARSE):
        return None
    is_sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in said.facts)
    refusal = "link_member" if kind in LINKS else "sparse_member" if is_sparse else None
    seconds = said.facts.get("mtime", b"")
    return Member(
        name=path,
        size=0 if kind in LINKS else size,
        mtime_ns=_nanoseconds(seconds) if seconds else _octal(block[136:148]) * 1_000_000_000,
        header_at=begin,
        data_at=None if way or refusal else data_at,
        way="tar" if way else "",
        refusal=refusal,
    )


def _path(block: bytes, said: _Extended) -> str:
    """Return the name; bytes that are no UTF-8 are spelt out in hexadecimal."""
    path = said.facts.get("GNU.sparse.name") or said.facts.get("path") or said.name
    if path is None:
        path = block[:100].split(b"\0")[0]
        prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
        path = prefix + b"/" + path if prefix else path
    return path.decode("utf-8", "backslashreplace")


def _note(said: _Extended, kind: int, payload: bytes, name: str) -> None:
    if kind == LONG_NAME:
        said.name = payload.split(b"\0")[0]
    elif kind == PAX:
        at = 0
        while at < len(payload) and payload[at]:
            digits, _, rest = payload[at : at + 20].partition(b" ")
            length = int(digits) if rest and digits.isdigit() else 0
            key, equals, value = payload[at + len(digits) + 1 : at + length].partition(b"=")
            if not equals or not value.endswith(b"\n"):
                raise _damaged(name, at, "a pax header is no list of facts")
            said.facts[key.decode("utf-8", "backslashreplace")] = value[:-1]
            at += length


def _payload(tar: Unpacked, size: int, name: str, begin: int) -> bytes:
    if size > LONGEST_HEADER:
        raise _damaged(name, begin, f"a header claims {size} bytes")
    padded = -(-size // BLOCK) * BLOCK
    payload = tar.read(padded)
    if len(payload) < padded:
        raise _damaged(name, begin, "it is cut short")
    return payload[:size]


def _skip_sparse_map(tar: Unpacked, block: bytes) -> None:
    more = block[482]
    while more:
        extension = tar.read(BLOCK)
        more = extension[504] if len(extension) == BLOCK else 0


def _checks(block: bytes) -> bool:
    """Tell whether the checksum is right: of the bytes, its own field as spaces."""
    return _octal(block[148:156]) == sum(block) - sum(block[148:156]) + 8 * 32


def _octal(text: bytes) -> int:
    digits = text.strip(b" \0")
    return int(digits, 8) if digits and not digits.strip(b"01234567") else 0


def _number(text: bytes, name: str, begin: int) -> int:
    """Read a size: octal digits, or from 8 GiB on base 256."""
    if text[0] & 0x80:
        value = int.from_bytes(text, "big", signed=False) - (1 << (8 * len(text) - 1))
        if text[0] & 0x40 or value >= 1 << 62:
            raise _damaged(name, begin, "a member's size is no size")
        return value
    if text.strip(b" \x0001234567"):
        raise _damaged(name, begin, "a member's size is no number")
    return _octal(text)


def _pax_number(facts: dict[str, bytes], key: str, otherwise: int, name: str) -> int:
    text = facts.get(key)
    if text is None:
        return otherwise
    if not text.isdigit() or len(text) > 18:
        raise _damaged(name, 0, f"the {key} in a pax header is no size")
    return int(text)


def _nanoseconds(seconds: bytes) -> int:
    whole, _, part = seconds.partition(b".")
    if not (whole.lstrip(b"-").isdigit() and len(whole) < 11 and (part or b"0").isdigit()):
        return 0
    nanoseconds = int(part[:9].ljust(9, b"0"))
    return int(whole) * 1_000_000_000 + (-nanoseconds if whole.startswith(b"-") else nanoseconds)


def _damaged(name: str, at: int, why: str) -> MediaError:
    return MediaError(f"{name} is damaged at byte {at}: {why}", reason=DAMAGED)
