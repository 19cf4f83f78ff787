"""Finds what a demuxer passes over in silence: bytes between two packets that are no structure.

Reads the headers of a file between one packet and the next; writes nothing. Demuxers of AVI, FLV
and Matroska that meet damage look for the next thing they know and say nothing of what was lost:
8 % of the bytes in the middle, two seconds of video, left no trace.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from tasks.recordings.media import open_bytes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tasks.recordings.media import Source

# Packets that must follow each other lawfully before a breach counts: of a file that is made
# otherwise than we read it (stripped headers, lacing) nothing can be said.
PROOF = 4
# More structure than this between two packets of one stream is not walked.
MOST_STEPS = 4096

_FLV_TAGS = frozenset({8, 9, 18})
_AVI_LISTS = frozenset({b"LIST", b"RIFF"})
# Segment, Cluster, BlockGroup: what is inside them follows their header.
_OPENED = frozenset({0x18538067, 0x1F43B675, 0xA0})


class Placed(Protocol):
    """A packet, as far as its place is concerned."""

    pos: int | None
    size: int


class Chain:
    """Follows a container's structure from packet to packet of one stream."""

    def __init__(self, source: Source, container: str) -> None:
        self._kind = container if container in ("avi", "flv", "matroska,webm") else None
        self._file = open_bytes(source) if self._kind else None
        self._size = self._file.seek(0, os.SEEK_END) if self._file else 0
        self._before: tuple[int, int] | None = None
        self._proven = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def breaks(self, packet: Placed) -> bool:
        """Tell whether something is lost between the packet before and this one (about 5 us)."""
        before = self._before
        if self._file is None or packet.pos is None or packet.pos < 0:
            return False
        self._before = (packet.pos, packet.size)
        if before is None or packet.pos <= before[0]:
            return False
        if self._leads(*before, packet.pos):
            self._proven += 1
            return False
        return self._proven >= PROOF

    def breaks_off(self) -> bool:
        """Tell whether something is lost between the last packet and the end of the file."""
        if self._file is None or self._before is None or self._proven < PROOF:
            return False
        at = self._edge(*self._before)
        for _ in range(MOST_STEPS):
            if at >= self._size:
                return at > self._size + 1  # the last byte of AVI's even sizes may be left out
            _, following = self._step(at)
            if following <= at:
                return True
            at = following
        return False

    def _edge(self, pos: int, size: int) -> int:
        """Return where structure is read on from, of a packet.

        The library's `pos` is of the data in AVI, the tag in FLV, the block's content in Matroska.
        """
        return {"avi": pos - 8, "flv": pos, "matroska,webm": pos + 4 + size}[self._kind or ""]

    def _leads(self, pos: int, size: int, to: int) -> bool:
        """Tell whether structure leads from a packet to the one whose `pos` is `to`."""
        at = self._edge(pos, size)
        for _ in range(MOST_STEPS):
            content, following = self._step(at)
            if at > 0 and (content if self._kind != "flv" else at) == to:
                return True
            if following <= at or following > to:
                return False
            at = following
        return False

    def _step(self, at: int) -> tuple[int, int]:
        """Return where an element's content and the next element start; (0, 0) if it is none."""
        assert self._file is not None  # noqa: S101  for mypy
        self._file.seek(at)
        head = self._file.read(16) or b""
        if len(head) < 16:
            head += bytes(16 - len(head))
        if self._kind == "avi":
            size = int.from_bytes(head[4:8], "little")
            listed = head[:4] in _AVI_LISTS
            named = all(32 <= letter < 127 for letter in head[:4])
            return (at + 8, at + (12 if listed else 8 + size + size % 2)) if named else (0, 0)
        if self._kind == "flv":
            size = int.from_bytes(head[1:4], "big")
            return (at, at + 15 + size) if head[0] & 31 in _FLV_TAGS else (0, 0)
        return _ebml(head, at)


def _ebml(head: bytes, at: int) -> tuple[int, int]:
    """Return where a Matroska element's content and the next element start."""
    width = 9 - head[0].bit_length()
    if not 1 <= width <= 4:
        return 0, 0
    length = 9 - head[width].bit_length()
    if not 1 <= length <= 8:
        return 0, 0
    kind = int.from_bytes(head[:width], "big")
    size = int.from_bytes(head[width : width + length], "big") & ((1 << 7 * length) - 1)
    content = at + width + length
    return content, content if kind in _OPENED else content + size
