"""Bytes out of compressed ones: forward only, in bounded memory, within a ratio.

Reads the file it is given from where it stands; writes nothing.
"""

from __future__ import annotations

import bz2
import lzma
import math
import os
import zlib
from typing import TYPE_CHECKING, Protocol

from infra.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.archives.reading import File

# Bytes that come out at a time, and go in at a time.
OUT_BYTES, IN_BYTES = 1 << 20, 1 << 16
# An xz header may ask for a dictionary of 4 GiB; `xz -9` asks for 64 MiB.
XZ_MEMORY_BYTES = 256 << 20
# Video expands next to nothing, raw video of a still scene some ten times; deflate can 1,032 times.
MAX_RATIO = 200.0
# So little may expand as it likes: a ratio says nothing of it.
FREE_BYTES = 1 << 20
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


class _Engine(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflate:
    """zlib's decompressor with the manners of the other two."""

    def __init__(self, window: int) -> None:
        self._engine = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max_length)


def _unxz() -> _Engine:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


# "deflate" and "one bzip2" are members of a zip, which end where their stream does; the others
# are files, where one stream may follow another.
ENGINES: dict[str, Callable[[], _Engine]] = {
    "gzip": lambda: _Inflate(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": _unxz,
    "deflate": lambda: _Inflate(-15),
    "one bzip2": bz2.BZ2Decompressor,
}
SINGLE = frozenset({"deflate", "one bzip2"})


class Unpacked:
    """What comes out of a file that is compressed in one of `ENGINES`' ways, or in none ("").

    `at` is how many bytes have come out, `taken` how many went in for them. `max_ratio` bounds
    the first by the second, counted from `judge_from_here`. `name` is for messages.
    """

    def __init__(self, file: File, way: str, name: str, max_ratio: float = math.inf) -> None:
        self.at = self.taken = 0
        self.max_ratio = max_ratio
        self._file, self._way, self._name = file, way, name
        self._origin = (0, 0)
        self._engine: _Engine | None = None
        self._input = b""
        self._done = False

    @property
    def is_packed(self) -> bool:
        """Whether what comes out is not what is in the file."""
        return bool(self._way)

    def judge_from_here(self, max_ratio: float) -> None:
        """Count the ratio anew: of one member, not of all before it."""
        # What was taken last may not have come out yet.
        self.max_ratio, self._origin = max_ratio, (self.at, max(0, self.taken - IN_BYTES))

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or what is left.

        Raises:
            MediaError: `damaged_member`, `limit_ratio`.
            OSError: the storage fails.
        """
        parts = []
        while size > 0:
            part = self._some(min(size, OUT_BYTES))
            if not part:
                break
            self.at += len(part)
            size -= len(part)
            parts.append(part)
            self._judge()
        return b"".join(parts)

    def skip_to(self, at: int) -> bool:
        """Move forward to a place; False if the bytes end before it.

        Raises:
            MediaError, OSError: as `read`.
        """
        if not self._way:
            there = self._file.seek(0, os.SEEK_END) >= at
            self.at = self.taken = self._file.seek(max(self.at, at))
            return there
        while self.at < at:
            if not self.read(min(at - self.at, OUT_BYTES)):
                return False
        return True

    def close(self) -> None:
        """Close the file beneath."""
        self._file.close()

    def _judge(self) -> None:
        out, taken = self.at - self._origin[0], self.taken - self._origin[1]
        if out > FREE_BYTES and out > self.max_ratio * max(taken, 1):
            raise MediaError(
                f"{self._name} expands more than {self.max_ratio:g} times", reason="limit_ratio"
            )

    def _some(self, limit: int) -> bytes:
        """Return up to `limit` bytes; none only at the end."""
        if not self._way:
            data = self._file.read(limit) or b""
            self.taken += len(data)
            return data
        while not self._done:
            engine = self._engine or self._begin()
            if engine is None:
                break
            starved = engine.needs_input and not self._fill(1)
            try:
                data = engine.decompress(self._input, limit)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
                raise self._damaged(str(error)) from error
            self._input = b""
            if engine.eof:
                self._engine, self._input = None, engine.unused_data
                self._done = self._way in SINGLE
            elif starved and not data:
                raise self._damaged("it is cut short")
            if data:
                return data
        return b""

    def _begin(self) -> _Engine | None:
        """Start on the next stream; None where only padding follows, or nothing."""
        if self._way not in SINGLE:
            while self._fill(6) and not self._input.lstrip(b"\0"):
                self._input = b""
            self._input = self._input.lstrip(b"\0")
            self._fill(6)
            if way_of(self._input) != self._way:
                if self.at == 0:
                    raise self._damaged(f"it is no {self._way}")
                self._done = True
                return None
        self._engine = ENGINES[self._way]()
        return self._engine

    def _fill(self, least: int) -> bool:
        """Have at least so many bytes of input, if there are; tell whether there are any."""
        while len(self._input) < least:
            data = self._file.read(IN_BYTES)
            if not data:
                break
            self.taken += len(data)
            self._input += data
        return bool(self._input)

    def _damaged(self, why: str) -> MediaError:
        return MediaError(f"{self._name} does not unpack: {why}", reason="damaged_member")


def way_of(start: bytes) -> str:
    """Return the way a file that starts so is compressed: gzip, bzip2, xz, or "" for none."""
    return next((way for magic, way in MAGIC.items() if start.startswith(magic)), "")
