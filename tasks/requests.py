"""What is asked of generation and what comes back. Reads and writes nothing and needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.sources import ClipSource


@dataclass(frozen=True, slots=True)
class Request:
    """One clip of one camera to make a video of.

    `width` and `height` are the recording's as displayed. `input_side` is the shorter side the
    model is given: None gives it the source as it is, and the video is larger than any truth;
    a number gives it the source brought down to that, so that what it makes can be compared.
    """

    generation_id: str
    clip: ClipSource
    width: int
    height: int
    color_space: str | None
    color_range: str | None
    rate: tuple[int, int]
    time_base: tuple[int, int]
    input_side: int | None
    target: str


@dataclass(frozen=True, slots=True)
class Made:
    """A video that was written, and what was measured of it."""

    bytes: int
    digest: str
    width: int
    height: int
    frames: int
    has_audio: bool
    quality: dict[str, float | str]
