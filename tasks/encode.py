"""Codes: a distiller encodes every clip whose code is missing or stale, in Ray, and commits them.

Reads the catalog and the registry; writes rows of `codes` and `quarantine`. `encoder.py` is the
workers' side.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.removal import remove_partitions
from catalog.schemas.codes import CODES
from catalog.schemas.quarantine import QUARANTINE
from infra import registry
from infra.errors import CatalogEmptyError
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_batches
from tasks.distiller_presets import MODEL_NAME, distiller_preset_named
from tasks.encoder import ClipWindows, Encoder, EncoderModel
from tasks.feature_plan import asked
from tasks.views.current import view_versions
from tasks.window_sets import WindowSource
from tasks.windows import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.registry import ModelVersion
    from tasks.encoder import EncodedClips
    from tasks.run_record import FlowRun

# Clips a worker takes at a time: what is committed at once, and lost at most by a kill.
BATCH_CLIPS = 64


@dataclass(frozen=True)
class EncodePlan:
    """The model, what windows are read from, and the clips that have no code by it."""

    version: ModelVersion
    source: WindowSource
    steps: int  # of a window
    work: list[ClipWindows]

    @property
    def windows(self) -> int:
        """How many codes are to be made."""
        return sum(len(clip.firsts(self.steps)) for clip in self.work)


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_encode(model: str | None, run: FlowRun) -> EncodePlan:
    """Ask the catalog which clips have no code by a model (the champion distiller unless named).

    Raises:
        CatalogEmptyError: nothing has been ingested.
        NoChampionError, ModelNotFoundError, UsageError: there is no such model.
    """
    version = registry.resolve(run.settings, model or MODEL_NAME)
    snapshot = run.catalog.snapshot()
    versions = view_versions(WindowSpec().views, run.settings)
    found = rows(snapshot, "clip_inputs", asked(versions) | {"model_digest": version.digest})
    if not found:
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    count = dict.fromkeys(("cached", "quarantined", "pending", "missing"), 0)
    for row in found:
        count[row["state"]] += 1
    run.ledger.inputs = len(found)
    run.ledger.cached, run.ledger.quarantined = count["cached"], count["quarantined"]
    run.ledger.pending = count["pending"]
    if count["pending"]:
        run.ledger.extra["unavailable"] = ["clips without features: stillhouse extract"]
    step_ns = run.settings.grid_step_ns
    work = [
        ClipWindows(
            row["clip_id"],
            row["session_id"],
            row["cameras"],
            steps=-(-(row["end_ns"] - row["start_ns"]) // step_ns),
            given=row["given"],
        )
        for row in found
        if row["state"] == "missing"
    ]
    steps = distiller_preset_named(version.tags["preset"]).window_steps
    return EncodePlan(version, WindowSource(snapshot, versions, step_ns, {}), steps, work)


@task(cache_policy=NO_CACHE, persist_result=False)
def encode_clips(plan: EncodePlan, run: FlowRun) -> None:
    """Encode what is missing and commit it, batch by batch; a killed run goes on from there.

    A batch whose worker died is tried again clip by clip; a clip that kills its worker alone is
    quarantined for this model as `encoder_crashed`.

    Raises:
        ModelInvalidError: the model's files are damaged, or no distiller that this code knows.
    """
    run.ledger.extra |= {"model": plan.version.uri, "codes": 0}
    if not plan.work:
        return
    settings = run.settings
    folder = registry.download(settings, plan.version)
    connect(settings)
    version = plan.version
    model = EncoderModel(str(folder), version.name, version.version, version.digest)
    arguments = (model, plan.source, plan.steps, run.flow_run_id)
    pool = partial(map_batches, Encoder, arguments, actors=settings.cpus)
    spent: list[float] = []
    with progress("reindex", len(plan.work), "clips") as bar:
        lost: list[list[ClipWindows]] = []
        ends = range(0, len(plan.work), BATCH_CLIPS)
        for outcome in pool([plan.work[at : at + BATCH_CLIPS] for at in ends]):
            if isinstance(outcome, Finished):
                spent.append(_commit(outcome.result, run))
                bar.advance(len(outcome.item))
            else:
                lost += [[clip] for clip in outcome.item]
        for outcome in pool(lost):
            if isinstance(outcome, Finished):
                spent.append(_commit(outcome.result, run))
            else:
                _refuse(outcome.item, version, run)
            bar.advance(1)
    run.ledger.extra["cpu_encode_s"] = round(sum(spent), 3)


def _commit(found: EncodedClips, run: FlowRun) -> float:
    run.catalog.commit(CODES, found.codes)
    run.catalog.commit(QUARANTINE, found.quarantine)
    run.ledger.done += found.clips - len(found.quarantine)
    run.ledger.quarantined += len(found.quarantine)
    run.ledger.bytes_out += found.codes.nbytes
    run.ledger.extra["codes"] = int(run.ledger.extra["codes"]) + found.codes.num_rows  # type: ignore[arg-type]
    return found.cpu_seconds


def _refuse(clips: Sequence[ClipWindows], version: ModelVersion, run: FlowRun) -> None:
    why = ("encoder_crashed", "its worker died twice", time.time_ns(), run.flow_run_id)
    run.catalog.commit(QUARANTINE, [clip.refusal(version.digest, *why) for clip in clips])
    run.ledger.quarantined += len(clips)


def encode_estimate(plan: EncodePlan, run: FlowRun) -> dict[str, Any]:
    """Return how many clips and windows would be encoded, and core-hours by what runs took."""
    (past,) = rows(run.catalog.snapshot(), "encode_rate", {})
    rate, cpus = past["seconds_per_clip"], run.settings.cpus
    return {
        "dry_run": True,
        "model": plan.version.uri,
        "clips": run.ledger.inputs,
        "current": run.ledger.cached,
        "refused_before": run.ledger.quarantined,
        "without_features": run.ledger.pending,
        "to_encode": len(plan.work),
        "windows": plan.windows,
        "core_hours": None if rate is None else len(plan.work) * rate * cpus / 3600,
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def vacuum_codes(plan: EncodePlan, run: FlowRun) -> int:
    """Remove the codes of every other model once all clips have one of this; return how many.

    Earlier snapshots can no longer be read of that table: their files are gone from it.
    """
    state = run.ledger
    if state.done + state.cached + state.quarantined + state.pending != state.inputs:
        return 0
    kept = plan.version.digest
    return remove_partitions(run.catalog, CODES, lambda one: one["model_digest"] != kept)
