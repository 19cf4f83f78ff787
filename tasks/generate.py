"""Generate: plans which clips get a new video, has Ray make them, commits their lineage.

Reads the catalog, the archive and the registry; writes video files and the table `generations`.
`generator.py` is the worker's side.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import rows
from catalog.schemas.generations import GENERATIONS
from catalog.schemas.quarantine import QUARANTINE
from catalog.usersql import Choice, selection
from infra import registry
from infra.errors import SelectionEmptyError, UnknownApplicationError
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_batches
from tasks.presets import MODEL_NAME
from tasks.requests import Made, Request
from tasks.sources import clip_source

if TYPE_CHECKING:
    from infra.errors import MediaError
    from infra.registry import ModelVersion
    from tasks.run_record import FlowRun

# Each application and the registered model that serves it.
APPLICATIONS = {"super-resolution": MODEL_NAME}
STAGE = "generate"


class GeneratePlan:
    """What one run will make: requests not yet answered, and the model that answers them."""

    def __init__(self, model: ModelVersion, model_folder: str, requests: list[Request]) -> None:
        self.model = model
        self.model_folder = model_folder
        self.requests = requests


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_generations(
    application: str, select: str, model_uri: str | None, input_side: int | None, run: FlowRun
) -> GeneratePlan:
    """Turn a user's selection into requests; what was made before, and is still there, is cached.

    `select` is SQL that gives `clip_id` and, if wanted, `camera_id`.

    Raises:
        UnknownApplicationError, SelectionInvalidError, SelectionEmptyError: the request is wrong.
        NoChampionError: no model has been promoted.
    """
    if application not in APPLICATIONS:
        raise UnknownApplicationError(
            f"There is no application {application!r}; there is {', '.join(APPLICATIONS)}.",
            command=f"stillhouse generate {next(iter(APPLICATIONS))}",
        )
    snapshot = run.catalog.snapshot()
    wanted = set(selection(snapshot, select))
    model = registry.resolve(
        run.settings, model_uri or f"models:/{APPLICATIONS[application]}@champion"
    )
    parameters = {"input_side": input_side}
    made = {row["generation_id"]: row for row in rows(snapshot, "made_generations", {})}
    requests, cached = [], 0
    for row in rows(snapshot, "clip_sources", {}):
        clip = clip_source(row)
        if wanted.isdisjoint({Choice(clip.clip_id), Choice(clip.clip_id, clip.camera_id)}):
            continue
        generation_id = ids.digest(
            "generation", application, model.digest, clip.clip_id, clip.camera_id, parameters
        )
        target = run.settings.generations / f"{generation_id}.mp4"
        if generation_id in made and target.exists():
            cached += 1
            continue
        requests.append(
            Request(
                generation_id=generation_id,
                clip=clip,
                width=row["width"],
                height=row["height"],
                color_space=row["color_space"],
                color_range=row["color_range"],
                rate=(row["rate_num"], row["rate_den"]),
                time_base=(row["time_base_num"], row["time_base_den"]),
                input_side=input_side,
                target=str(target),
            )
        )
    run.ledger.inputs = cached + len(requests)
    run.ledger.cached = cached
    if not run.ledger.inputs:
        raise SelectionEmptyError(
            "The selection names no clip of the archive as it is now.",
            command='stillhouse sql "select clip_id from current_clips"',
        )
    folder = registry.download(run.settings, model)
    return GeneratePlan(model, str(folder), requests)


@task(cache_policy=NO_CACHE, persist_result=False)
def make_generations(application: str, plan: GeneratePlan, run: FlowRun) -> list[dict[str, Any]]:
    """Make every requested video and commit its row; return the rows.

    A file is moved into place only when it is whole, and counts only when its row is committed.
    """
    if not plan.requests:
        return []
    from tasks.generator import Generator

    settings = run.settings
    connect(settings)
    versions = json.dumps(run.catalog.snapshot().versions, sort_keys=True)
    made: list[dict[str, Any]] = []
    with progress("generate", len(plan.requests), "clips") as bar:
        # One process a core, each with one thread: convolutions at these sizes scale worse than
        # clips do.
        for outcome in map_batches(
            Generator,
            (plan.model_folder,),
            plan.requests,
            actors=min(settings.cpus, len(plan.requests)),
            cpus_per_actor=1,
            threads=1,
        ):
            request: Request = outcome.item
            result = outcome.result if isinstance(outcome, Finished) else None
            if isinstance(result, Made):
                row = _row(application, plan, request, result, versions, run)
                run.catalog.commit(GENERATIONS, [row])
                made.append(row)
                run.ledger.done += 1
                run.ledger.frames_header += result.frames
                run.ledger.frames_decoded += result.frames
                run.ledger.bytes_out += result.bytes
            else:
                run.catalog.commit(QUARANTINE, [_refusal(request, result, run)])
                run.ledger.quarantined += 1
            bar.advance(1)
    return made


def _refusal(request: Request, error: MediaError | None, run: FlowRun) -> dict[str, Any]:
    return {
        "item_id": request.generation_id,
        "kind": "generation",
        "stage": STAGE,
        "reason": error.reason if error else "worker_crashed",
        "detail": str(error) if error else "its worker died",
        "camera_id": request.clip.camera_id,
        "archive_uri": request.clip.archive_uri,
        "member": request.clip.member,
        "start_ns": request.clip.span.start_ns,
        "end_ns": request.clip.span.end_ns,
        "frames": 0,
        "flow_run_id": run.flow_run_id,
        "seen_ns": time.time_ns(),
    }


def _row(
    application: str,
    plan: GeneratePlan,
    request: Request,
    made: Made,
    versions: str,
    run: FlowRun,
) -> dict[str, Any]:
    clip = request.clip
    return {
        "generation_id": request.generation_id,
        "application": application,
        "model": plan.model.name,
        "model_version": plan.model.version,
        "model_digest": plan.model.digest,
        "clip_id": clip.clip_id,
        "session_id": clip.session_id,
        "camera_id": clip.camera_id,
        "start_ns": clip.span.start_ns,
        "end_ns": clip.span.end_ns,
        "sources": [
            {
                "recording_id": clip.recording_id,
                "start_ns": clip.recording_span.start_ns,
                "end_ns": clip.recording_span.end_ns,
            }
        ],
        "codes": [],
        "parameters": json.dumps({"input_side": request.input_side}, sort_keys=True),
        "uri": request.target,
        "bytes": made.bytes,
        "digest": made.digest,
        "width": made.width,
        "height": made.height,
        "frames": made.frames,
        "has_audio": made.has_audio,
        "quality": json.dumps(made.quality, sort_keys=True),
        "snapshot": versions,
        "flow_run_id": run.flow_run_id,
        "created_ns": time.time_ns(),
    }
