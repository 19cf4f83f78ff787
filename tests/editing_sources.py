"""Cameras of the generated archive as generation's workers get them, without a catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import opentimelineio as otio
from footage import first_pts

from catalog.span import SECOND_NS, Span
from tasks.clocks.clock import CameraClock
from tasks.decode import Source
from tasks.generation.requests import CameraSource, Encoding, Request
from tasks.recordings.sources import ClipSource

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.synthetic.truth import Truth


def camera_of(truth: Truth, member: str, span: Span) -> CameraSource:
    """Return a span (session clock) of one of the archive's recordings."""
    recording = truth.recordings[member]
    clip = ClipSource(
        clip_id="clip",
        session_id=recording.session,
        session_name=recording.session,
        camera_id=recording.camera_id,
        recording_id=member,
        span=span,
        clock=CameraClock(recording.offset_ns),
        start_pts=first_pts(Source(str(truth.folder / member))),
        archive_uri=str(truth.folder),
        member=member,
        stream=0,
        size=(recording.width, recording.height),
    )
    return CameraSource(clip, None, None, (truth.spec.rate, 1), (1, 12_800))


def request_of(target: Path, sources: tuple[CameraSource, ...], given: Any) -> Request:  # noqa: ANN401
    """Return the request that a plan would make of it."""
    encoding = Encoding(crf=12)
    span = sources[0].clip.span
    return Request(target.stem, sources, span, (), given, encoding, str(target))


def otio_clip(url: str, start_s: float, length_s: float, name: str = "") -> otio.schema.Clip:
    """Return a clip whose source range is given in milliseconds."""
    return otio.schema.Clip(
        name,
        media_reference=otio.schema.ExternalReference(url),
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(round(start_s * 1000), 1000),
            otio.opentime.RationalTime(round(length_s * 1000), 1000),
        ),
    )


def otio_join(kind: str, before_s: float, behind_s: float) -> otio.schema.Transition:
    """Return a transition."""
    return otio.schema.Transition(
        kind,
        kind,
        otio.opentime.RationalTime(round(before_s * 1000), 1000),
        otio.opentime.RationalTime(round(behind_s * 1000), 1000),
    )


def otio_list(*tracks: list[Any], **ours: Any) -> bytes:  # noqa: ANN401
    """Return the bytes of an edit list of video tracks; `ours` is its `metadata.stillhouse`."""
    timeline = otio.schema.Timeline("cut")
    for items in tracks:
        track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
        track.extend(items)
        timeline.tracks.append(track)
    if ours:
        timeline.tracks.metadata["stillhouse"] = ours
    return str(timeline.to_json_string()).encode()


def seconds(start: float, end: float) -> Span:
    """Return a span of seconds."""
    return Span(round(start * SECOND_NS), round(end * SECOND_NS))
