"""Parts of a file over HTTP: what a browser asks for when a person moves through a video.

Pure but for `stream`, which reads the file it is given.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

CHUNK_BYTES = 256 << 10
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)


def requested(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open byte range that a Range header asks for; None: the whole.

    A header that is malformed or asks for several ranges is passed over, as HTTP allows (RFC 9110,
    14.2).

    Raises:
        ValueError: it can be read and lies outside the `size` bytes.
    """
    parsed = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if parsed is None:
        return None
    first, last, suffix = parsed.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= end:
        raise ValueError(f"{header} of {size} bytes")
    return start, end


def stream(file: io.RawIOBase | io.BytesIO, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a half-open range and close the file, also when nobody listens any more.

    A file that ends early ends the answer early: the browser sees that bytes are missing.
    """
    with file:
        file.seek(start, os.SEEK_SET)
        while start < end:
            part = file.read(min(CHUNK_BYTES, end - start))
            if not part:
                return
            start += len(part)
            yield part
