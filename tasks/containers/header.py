"""What is known of a video stream before it is decoded in full: what is claimed, and what is seen.

Pure: reads and writes nothing. A container may claim anything; a frame that decodes is a fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from catalog.span import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.decode import CodecContext, Frame

SPACES = {
    0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c",
    14: "ictcp", 15: "ipt-c2",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}
TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """How pictures are stored and shown.

    `width` and `height` are as displayed, after `rotation`: the degrees, clockwise, to turn the
    stored picture (0, 90, 180 or 270; an insane value counts as 0). Pixels that are not square
    are not stretched. Colours are ffmpeg's names, None where not tagged.
    """

    pixel_format: str
    width: int
    height: int
    rotation: int
    color_space: str | None
    color_range: str | None
    color_transfer: str | None
    color_primaries: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a container says of one video stream.

    `picture` is never turned: how is told with the frames. `rate_num / rate_den` is the average in
    frames a second, 0 / 1 if unknown. `frames` is how many the container promises to *show* (its
    index, less what an edit list hides); 0 if it does not say. `created_ns` is when it says that it
    was made, in ns since 1970: often the second a recording began, as often that of an export.
    """

    container: str
    codec: str
    picture: PictureFormat
    coded_width: int
    coded_height: int
    rate_num: int
    rate_den: int
    time_base_num: int
    time_base_den: int
    duration_ns: int | None
    frames: int
    has_audio: bool
    video_streams: int
    created_ns: int | None


@dataclass(frozen=True, slots=True)
class Header:
    """What a container claims, and what its first frame is like; None if none of the first was."""

    claims: Claims
    first: PictureFormat | None

    @property
    def picture(self) -> PictureFormat:
        """The first frame's, or what is claimed in its place."""
        return self.first or self.claims.picture


def picture_format(tagged: Frame | CodecContext, pixel_format: str, degrees: int) -> PictureFormat:
    """Return what a frame, or the header, says of pictures turned by `degrees` anti-clockwise."""
    is_turned = degrees % 180 != 0
    return PictureFormat(
        pixel_format=pixel_format,
        width=tagged.height if is_turned else tagged.width,
        height=tagged.width if is_turned else tagged.height,
        rotation=-degrees % 360,
        color_space=SPACES.get(tagged.colorspace),
        color_range=RANGES.get(tagged.color_range),
        color_transfer=TRANSFERS.get(tagged.color_trc),
        color_primaries=PRIMARIES.get(tagged.color_primaries),
    )


def created_ns(*tags: Mapping[str, str]) -> int | None:
    """Return the first creation time that tags tell; None where none has a date and a zone.

    Clocks that were never set tell 1904 or 1970: of no year before 1980 there are digital files.
    """
    for told in tags:
        try:
            at = datetime.fromisoformat(told.get("creation_time", ""))
        except ValueError:
            continue
        if at.tzinfo is not None and at.year >= 1980:
            passed = at - datetime(1970, 1, 1, tzinfo=UTC)
            whole = passed.days * 86_400 + passed.seconds
            return whole * SECOND_NS + passed.microseconds * 1000
    return None
