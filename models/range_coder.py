"""Whole numbers <-> bytes, by the range coder of `constriction` and the tables of a prior.

Arrays in, bytes out. One stream holds the codes of a batch of windows: a header of seven bytes
and some, then all symbols, channel by channel. The checksum is of the tables too: bytes that
another model's tables wrote are refused, not decoded into nonsense.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import constriction
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Counts = npt.NDArray[np.int32]
    Symbols = npt.NDArray[np.int32]

FORMAT = 1
WORD = 4


def packed(parts: Sequence[Symbols], tables: Sequence[Counts], sizes: Sequence[int]) -> bytes:
    """Return the stream of several arrays of symbols, each (channels, n) with its own table.

    `tables` are (channels, 2 limit + 1) counts; `sizes` are small numbers that the reader needs
    to know the shapes, each a varint of the header.

    Raises:
        ValueError: if a table was never written, or a symbol is not in it.
    """
    encoder = constriction.stream.queue.RangeEncoder()
    for symbols, table in zip(parts, tables, strict=True):
        limit = _limit(table)
        if symbols.size and np.abs(symbols).max() > limit:
            raise ValueError(f"a symbol of {np.abs(symbols).max()} is beyond {limit}")
        for row, model in zip(symbols, _models(table), strict=True):
            encoder.encode(np.ascontiguousarray(row + limit, dtype=np.int32), model)
    # Big-endian, the bytes that the coder left zero come last and need not be kept.
    words: npt.NDArray[np.uint32] = encoder.get_compressed()
    payload = words.astype(">u4").tobytes().rstrip(b"\0")
    body = b"".join(_varint(size) for size in sizes) + payload
    return bytes([FORMAT]) + _checksum(body, tables) + body


def sizes_of(stream: bytes, count: int) -> tuple[list[int], bytes]:
    """Return the `count` sizes of a stream's header, and what follows them.

    Raises:
        ValueError: if the stream is of another format, or is cut short.
    """
    if not stream or stream[0] != FORMAT:
        raise ValueError(f"not a stream of format {FORMAT}: it begins with {stream[:1]!r}")
    at, sizes = 5, []
    for _ in range(count):
        size = shift = 0
        while True:
            if at >= len(stream) or shift > 28:
                raise ValueError("the stream ends in its header")
            size |= (stream[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if stream[at - 1] < 128:
                break
        sizes.append(size)
    return sizes, stream[at:]


def unpacked(
    stream: bytes, tables: Sequence[Counts], lengths: Sequence[int], sizes: int
) -> list[Symbols]:
    """Return what `packed` was given: for each table (channels, length) symbols.

    Raises:
        ValueError: if the stream was damaged, or written with other tables.
    """
    _, payload = sizes_of(stream, sizes)
    if _checksum(stream[5:], tables) != stream[1:5]:
        raise ValueError("the stream was damaged, or written by another model")
    words = np.frombuffer(payload + b"\0" * (-len(payload) % WORD), dtype=">u4")
    decoder = constriction.stream.queue.RangeDecoder(words.astype(np.uint32))
    return [
        np.stack([decoder.decode(model, length) for model in _models(table)]) - _limit(table)
        for table, length in zip(tables, lengths, strict=True)
    ]


def _models(table: Counts) -> Iterator[Any]:
    for counts in table:
        # Whole numbers up to 2^16 are exact in double precision: no machine rounds them.
        yield constriction.stream.model.Categorical(counts.astype(np.float64), perfect=False)


def _limit(table: Counts) -> int:
    if not table.any():
        raise ValueError("the prior has no table yet: call tabulate() after training")
    return int(table.shape[1]) // 2


def _checksum(body: bytes, tables: Sequence[Counts]) -> bytes:
    found = zlib.crc32(body)
    for table in tables:
        found = zlib.crc32(np.ascontiguousarray(table, dtype="<i4").tobytes(), found)
    return found.to_bytes(4, "little")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
