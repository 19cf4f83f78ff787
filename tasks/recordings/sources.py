"""Where the pictures of a clip are: one clip through one camera, ready to be decoded.

Reads rows that the catalog's SQL gives (`clip_sources.sql`, `missing_features.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.span import Span
from tasks.archives.entry import source_of
from tasks.clocks.clock import CameraClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.recordings.media import Source


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip of one camera: its span on the session clock and the file that shows it.

    `clock` is the recording's on the session's; `start_pts` is the timestamp of its first frame
    in the stream's own time base. `size` is the recording's (width, height) as displayed, `labels`
    what users said of it, `has_audio` whether its file has sound. `archive_uri` to `packed` say
    where its bytes are, as the listing did (see `Entry`).
    """

    clip_id: str
    session_id: str
    session_name: str
    camera_id: str
    recording_id: str
    span: Span
    clock: CameraClock
    start_pts: int
    archive_uri: str
    member: str
    stream: int
    byte_offset: int | None = None
    byte_size: int | None = None
    packed: bool = False
    size: tuple[int, int] = (1, 1)
    labels: tuple[str, ...] = ()
    has_audio: bool = True

    @property
    def source(self) -> Source:
        """What the decoder opens.

        Raises:
            MediaError: `member_outside` (see `source_of`).
        """
        return source_of(
            self.archive_uri,
            self.member,
            self.byte_offset,
            self.byte_size,
            packed=self.packed,
            stream=self.stream,
        )

    @property
    def recording_span(self) -> Span:
        """The clip's span on the recording's own clock."""
        return self.clock.span_to_recording(self.span)


def clip_source(row: Mapping[str, Any]) -> ClipSource:
    """Build a clip source from a row of the catalog."""
    return ClipSource(
        clip_id=row["clip_id"],
        session_id=row["session_id"],
        session_name=row["session_name"],
        camera_id=row["camera_id"],
        recording_id=row["recording_id"],
        span=Span(row["start_ns"], row["end_ns"]),
        clock=CameraClock(row["offset_ns"], row["drift_ppb"] or 0),
        start_pts=row["start_pts"],
        archive_uri=row["archive_uri"],
        member=row["member"],
        stream=row["stream"],
        byte_offset=row["byte_offset"],
        byte_size=row["byte_size"],
        packed=row["packed"],
        size=(row["width"], row["height"]),
        labels=tuple(row["labels"] or ()),
        has_audio=row["has_audio"],
    )
