"""What is asked of generation and what comes back. Reads and writes nothing and needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.recordings.sources import ClipSource, clip_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.span import Span
    from tasks.mux import Written


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is written: what `write_video` calls codec, crf and pixel format.

    Defaults are those of `encoders.py`.
    """

    codec: str = "libx264"
    crf: int | None = None
    pixel_format: str = "yuv420p"


@dataclass(frozen=True, slots=True)
class CameraSource:
    """One clip through one camera, and how its recording is coloured and timed."""

    clip: ClipSource
    color_space: str | None
    color_range: str | None
    rate: tuple[int, int]
    time_base: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return self.clip.size


@dataclass(frozen=True, slots=True)
class Request:
    """One video to make. The first of `sources` is the one its row stands under.

    `span` is on the session clock. `given` is what the application put in when it planned this
    one, for its own worker to read; `target` is the path of the video. `place` is where the worker
    finds what they name.
    """

    generation_id: str
    sources: tuple[CameraSource, ...]
    span: Span
    codes: tuple[str, ...]
    given: Any
    encoding: Encoding
    target: str
    place: Any = None


@dataclass(frozen=True, slots=True)
class Made:
    """A video that was written, and what was measured of it.

    `picture` is the path of a side-by-side picture for people, `rows` are of the application's
    own table if it has one.
    """

    written: Written
    width: int
    height: int
    quality: Mapping[str, Any]
    picture: str | None = None
    rows: tuple[Mapping[str, Any], ...] = ()


def camera_source(row: Mapping[str, Any]) -> CameraSource:
    """Build a camera of a clip from a row of `clip_sources.sql`."""
    return CameraSource(
        clip=clip_source(row),
        color_space=row["color_space"],
        color_range=row["color_range"],
        rate=(row["rate_num"], row["rate_den"]),
        time_base=(row["time_base_num"], row["time_base_den"]),
    )
