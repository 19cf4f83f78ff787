"""How much of one file may be taken in: where trust in what a file says of itself ends.

Pure: reads and writes nothing. Whatever a header promises, work on a file stops with a typed
refusal at the first limit that what is really read or decoded passes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from catalog.span import SECOND_NS
from infra.errors import MediaError


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one file may hold: `file_bytes`, `pixels` of a frame, `frames`, `seconds`.

    `pixels` holds for the stored picture and for every frame, for a stream may grow as it goes;
    `frames` counts what the decoder gives and every fault; `seconds` runs from the first good
    frame (a file whose frames lie further apart has timestamps that are not times).

    Raises:
        ValueError: a limit is not positive.
    """

    file_bytes: int = 1 << 40
    pixels: int = 8192 * 8192
    frames: int = 50_000_000
    seconds: int = 31 * 86_400

    def __post_init__(self) -> None:
        for limit in fields(self):
            if getattr(self, limit.name) < 1:
                raise ValueError(f"{limit.name} is {getattr(self, limit.name)}: allow at least 1")

    def check_bytes(self, uri: str, size: int) -> None:
        """Refuse a file of too many bytes.

        Raises:
            MediaError: `limit_bytes`.
        """
        if size > self.file_bytes:
            raise MediaError(
                f"{uri}: {size} bytes are more than {self.file_bytes}", reason="limit_bytes"
            )

    def check_frames(self, uri: str, count: int) -> None:
        """Refuse a stream that has given too many frames and faults.

        Raises:
            MediaError: `limit_frames`.
        """
        if count > self.frames:
            raise MediaError(f"{uri} has more than {self.frames} frames", reason="limit_frames")

    def check_time(self, uri: str, t_ns: int) -> None:
        """Refuse a frame that claims to be shown too long after the first.

        Raises:
            MediaError: `limit_duration`.
        """
        if t_ns > self.seconds * SECOND_NS:
            raise MediaError(
                f"{uri}: a frame claims to be {t_ns // SECOND_NS} s after the first, more than "
                f"{self.seconds}",
                reason="limit_duration",
            )


def check_pixels(uri: str, width: int, height: int, most: int) -> None:
    """Refuse a picture of too many pixels.

    Raises:
        MediaError: `limit_pixels`.
    """
    if width * height > most:
        raise MediaError(
            f"{uri}: frames of {width}x{height} are larger than {most} pixels",
            reason="limit_pixels",
        )
