"""Where the pictures of a clip are: one clip through one camera, ready to be decoded.

Reads rows that the catalog's SQL gives (`clip_sources.sql`, `missing_features.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.span import Span
from tasks.clock import CameraClock
from tasks.decode import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ClipSource:
    """One clip of one camera: its span on the session clock and the file that shows it.

    `clock` is the recording's on the session's; `start_pts` is the timestamp of its first frame
    in the stream's own time base.
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

    @property
    def source(self) -> Source:
        """What the decoder opens."""
        return Source(f"{self.archive_uri}/{self.member}", stream=self.stream)

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
    )
