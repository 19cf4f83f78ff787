"""Why an mp4 does not open: whether it is one, and what became of its index.

Reads the headers of a file's top-level boxes; writes nothing. (ISO/IEC 14496-12, section 4.2.)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tasks.recordings.media import open_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.recordings.media import Source

# A file that is not made of boxes would be walked byte by byte.
MOST_BOXES = 4096


def index_is_lost(source: Source) -> bool:
    """Tell whether a source holds an mp4's pictures without the index (moov) that says where.

    So a recording ends whose camera lost power: coding, sizes and times were to be written last,
    and no frame can be found without them.

    Raises:
        OSError: the storage fails.
    """
    names = list(_names(source))
    return names[:1] in (["ftyp"], ["wide"], ["mdat"]) and "mdat" in names and "moov" not in names


def _names(source: Source) -> Iterator[str]:
    """Yield the names of the top-level boxes, as far as each is where the one before ends."""
    with open_bytes(source) as file:
        at, whole = 0, file.seek(0, os.SEEK_END)
        for _ in range(MOST_BOXES):
            if at >= whole:
                return
            file.seek(at)
            head = file.read(16) or b""
            if len(head) < 8:
                return
            yield head[4:8].decode("latin-1")
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:  # 0: to the end of the file
                return
            at += size
