"""Rows of what generation made and of what it refused. Builds only; reads and writes nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from catalog.ids import digest

if TYPE_CHECKING:
    from tasks.applications.application import Refused
    from tasks.generation.plan import GeneratePlan
    from tasks.generation.requests import CameraSource, Made, Request
    from tasks.runs.record import FlowRun

STAGE = "generate"


def generation_row(
    plan: GeneratePlan, request: Request, made: Made, fixed: dict[str, Any], run: FlowRun
) -> dict[str, Any]:
    """Return the row of one video; `fixed` is what all rows of a run share."""
    first, model = request.sources[0].clip, plan.model
    return {
        **fixed,
        "generation_id": request.generation_id,
        "application": plan.application.spec.name,
        "model": model.name if model else None,
        "model_version": model.version if model else None,
        "model_digest": model.digest if model else None,
        "clip_id": first.clip_id,
        "session_id": first.session_id,
        "camera_id": first.camera_id,
        "start_ns": request.span.start_ns,
        "end_ns": request.span.end_ns,
        "sources": [
            {
                "recording_id": one.clip.recording_id,
                "start_ns": one.clip.recording_span.start_ns,
                "end_ns": one.clip.recording_span.end_ns,
            }
            for one in request.sources
        ],
        "codes": list(request.codes),
        "uri": request.target,
        "bytes": made.written.bytes,
        "digest": made.written.digest,
        "width": made.width,
        "height": made.height,
        "frames": made.written.frames,
        "has_audio": made.written.has_audio,
        "quality": json.dumps(dict(made.quality), sort_keys=True),
        "picture": made.picture,
        "flow_run_id": run.flow_run_id,
        "created_ns": time.time_ns(),
    }


def planned_refusal(plan: GeneratePlan, refused: Refused, run: FlowRun) -> dict[str, Any]:
    """Return the row of quarantine of a clip that the plan already refuses."""
    clip = refused.source.clip
    item = digest(
        "refused", plan.application.spec.name, clip.clip_id, clip.camera_id, refused.reason
    )
    return _quarantined(item, refused.source, refused.reason, refused.detail, run)


def failed_request(request: Request, reason: str, detail: str, run: FlowRun) -> dict[str, Any]:
    """Return the row of quarantine of a video that could not be made."""
    return _quarantined(request.generation_id, request.sources[0], reason, detail, run)


def _quarantined(
    item_id: str, source: CameraSource, reason: str, detail: str, run: FlowRun
) -> dict[str, Any]:
    clip = source.clip
    return {
        "item_id": item_id,
        "kind": "generation",
        "stage": STAGE,
        "reason": reason,
        "detail": detail,
        "camera_id": clip.camera_id,
        "archive_uri": clip.archive_uri,
        "member": clip.member,
        "start_ns": clip.span.start_ns,
        "end_ns": clip.span.end_ns,
        "frames": 0,
        "flow_run_id": run.flow_run_id,
        "seen_ns": time.time_ns(),
    }
