"""What a file's header promises, for estimates only. Runs in a worker; reads one header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.decode import probe
from tasks.recordings.media import byte_size

if TYPE_CHECKING:
    from tasks.decode import Source


@dataclass(frozen=True, slots=True)
class Facts:
    """Size in bytes, length in seconds, and pixels of all frames, as the header says."""

    bytes: int
    seconds: float
    pixels: float


def header_facts(source: Source) -> Facts | None:
    """Return what a header promises, None where it promises nothing or cannot be read."""
    try:
        header = probe(source)
        size = byte_size(source)
    except (MediaError, OSError):
        return None
    claims, picture = header.claims, header.picture
    seconds = (claims.duration_ns or 0) / SECOND_NS
    frames = claims.frames or seconds * claims.rate_num / max(1, claims.rate_den)
    if not seconds:
        return None
    return Facts(size, seconds, frames * picture.width * picture.height)
