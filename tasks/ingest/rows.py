"""The rows of `recordings` and `quarantine` that come of reading one file; pure.

A member is a row of the listing with the file's id; see `catalog.comparison`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from catalog import ids
from tasks.decode import decoder_build

if TYPE_CHECKING:
    from tasks.ingest.plan import IngestPlan
    from tasks.ingest.scan import Scan
    from tasks.runs.record import FlowRun

STAGE = "ingest"

Member = dict[str, Any]


def recording_row(
    member: Member, stream: int, plan: IngestPlan, found: Scan, run: FlowRun
) -> dict[str, Any]:
    """Return the row of `recordings` that says what a scan found in one video stream."""
    claims, picture = found.header.claims, found.header.picture
    return {
        "recording_id": ids.recording_id(member["file_id"], stream),
        "file_id": member["file_id"],
        "archive_uri": plan.listing.uri,
        "member": member["member"],
        "stream": stream,
        "byte_offset": member["byte_offset"] or 0,
        "byte_size": member["size_bytes"],
        "container": claims.container,
        "codec": claims.codec,
        "pixel_format": picture.pixel_format,
        "width": picture.width,
        "height": picture.height,
        "rotation": picture.rotation,
        "color_space": picture.color_space,
        "color_range": picture.color_range,
        "color_transfer": picture.color_transfer,
        "color_primaries": picture.color_primaries,
        "rate_num": claims.rate_num,
        "rate_den": claims.rate_den,
        "is_vfr": found.is_vfr,
        "start_pts": found.start_pts,
        "time_base_num": found.time_base_num,
        "time_base_den": found.time_base_den,
        "duration_ns": found.duration_ns,
        "frames_header": found.frames_header,
        "frames_decoded": found.frames_decoded,
        "frames_bad": found.frames_bad,
        "bad_spans": [
            {"start_ns": span.start_ns, "end_ns": span.end_ns} for span in found.bad_spans
        ],
        "reason": found.reason,
        "has_audio": claims.has_audio,
        "created_ns": claims.created_ns,
        "signals": found.signals.pack(),
        "hashes": found.hashes.astype("<u8").tobytes(),
        "status": "salvaged" if found.frames_bad else "ok",
        "decoder_build": decoder_build(),
        "flow_run_id": run.flow_run_id,
    }


def bad_frames_row(member: Member, plan: IngestPlan, found: Scan, run: FlowRun) -> dict[str, Any]:
    """Record the unusable span of a recording whose other frames were kept."""
    first, last = found.bad_spans[0], found.bad_spans[-1]
    total = found.frames_decoded + found.frames_bad
    detail = f"{found.frames_bad} of {total} frames unusable; the rest was kept"
    return refusal_row(member, plan, run, found.reason or "bad_frames", detail) | {
        "kind": "span",
        "start_ns": first.start_ns,
        "end_ns": last.end_ns,
        "frames": found.frames_bad,
    }


def refusal_row(
    member: Member, plan: IngestPlan, run: FlowRun, reason: str, detail: str
) -> dict[str, Any]:
    """Return the row of `quarantine` that says why a whole file was refused."""
    return {
        "item_id": member["file_id"],
        "kind": "file",
        "stage": STAGE,
        "frames": 0,
        "reason": reason,
        "detail": detail,
        "archive_uri": plan.listing.uri,
        "member": member["member"],
        "flow_run_id": run.flow_run_id,
        "seen_ns": time.time_ns(),
    }
