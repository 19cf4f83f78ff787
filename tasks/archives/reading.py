"""Readers: a byte range, or fetched blocks, that read and seek like a file of their own.

Read what they are given; write nothing. One reader is for one thread.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

# A demuxer asks for 32 KiB at a time; a request to an object store takes 20-50 ms whatever it
# brings. Eight blocks hold a container's index and both of two interleaved places in its data.
BLOCK_BYTES = 2 << 20
KEPT_BLOCKS = 8
# Where only headers are read, one every some hundred MB, 2 MiB for each would be in vain.
HEADER_BYTES = 64 << 10


# What can be read and sought in: raw files of `open`, and the readers here. A read may give fewer
# bytes than asked for; only none is the end.
File: TypeAlias = io.RawIOBase


class Reader(io.RawIOBase):
    """`size` bytes that `pull(at, count)` gets, as a file. `pull` may give fewer, but not none."""

    def __init__(
        self, size: int, pull: Callable[[int, int], bytes], release: Callable[[], None]
    ) -> None:
        super().__init__()
        self.size = size
        self._pull, self._release, self._at = pull, release, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place and return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes, or all that is left; never past the end."""
        if size < 0:
            return self.readall()
        left = min(size, self.size - self._at)
        if left <= 0:
            return b""
        data = self._pull(self._at, left)
        self._at += len(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into a buffer and say how many bytes came."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of what is beneath."""
        if not self.closed:
            self._release()
        super().close()


def within(file: File, offset: int, size: int) -> Reader:
    """Return a byte range of a file as a reader that closes the file with itself.

    A file that ends before the range does reads as a range that ends there.
    """

    def pull(at: int, count: int) -> bytes:
        file.seek(offset + at)
        return file.read(count) or b""

    return Reader(size, pull, file.close)


class Blocks:
    """The blocks of something far away or packed, of which the last few used are kept.

    `fetch(at, count)` gets exactly `count` bytes; requests of a whole block and more go past the
    memory, or reading through a file once would empty it.
    """

    def __init__(
        self, size: int, fetch: Callable[[int, int], bytes], block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._size, self._fetch, self._block_bytes = size, fetch, block_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def pull(self, at: int, count: int) -> bytes:
        """Return at least one of the `count` bytes from `at`, at most to its block's end."""
        if count >= self._block_bytes:
            return self._fetch(at, count)
        number, start = divmod(at, self._block_bytes)
        block = self._kept.pop(number, None)
        if block is None:
            first = number * self._block_bytes
            block = self._fetch(first, min(self._block_bytes, self._size - first))
        self._kept[number] = block
        if len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)
        return block[start : start + count]


def exactly(file: File, size: int) -> bytes:
    """Read `size` bytes, or what there is before the end."""
    parts = []
    while size > 0:
        part = file.read(min(size, BLOCK_BYTES))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
