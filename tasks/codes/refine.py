"""Refine: has Ray search for better codes, commits them, and lets the new version serve.

Reads the catalog and the registry; writes files of the table `codes` (by the workers), rows of
`quarantine` and `code_versions`, and a run of MLflow with the curves (by the driver).
`refine_plan.py` says what is due, `clip_refiner.py` is the worker's side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.schemas.codes import CODES
from catalog.schemas.quarantine import QUARANTINE
from infra import registry
from infra.observability import progress
from infra.past_runs import tracking_errors
from infra.ray_cluster import Finished, connect, map_batches_again
from tasks.codes.refine_plan import refine_state
from tasks.codes.refining import stored_codes
from tasks.codes.serving import begin_serving, serving_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.snapshot import Snapshot
    from tasks.codes.clip_refiner import RefinedClips
    from tasks.codes.refine_plan import RefinePlan
    from tasks.codes.refining import RefineWork, Refining
    from tasks.runs.record import FlowRun

# Clips a worker takes at a time, 5 s each or more: what a killed run has lost a core.
BATCH_CLIPS = 8
EXPERIMENT = "refine"


@task(cache_policy=NO_CACHE, persist_result=False)
def refine_codes(plan: RefinePlan, run: FlowRun) -> RefinedClips:
    """Refine every clip of the plan and commit it; what cannot be goes to quarantine.

    Each batch is a commit, so a killed run has lost a batch a core.

    Raises:
        ModelInvalidError: the model's files are damaged, or not those of a distiller.
        ModelArchitectureError: it was made by another version of this application.
    """
    from tasks.codes.clip_refiner import ClipRefiner, RefinedClips, refusal
    from tasks.codes.model import load_distiller

    settings, how = run.settings, plan.refining
    totals = RefinedClips()
    if not plan.work:
        return totals
    folder = registry.download(settings, how.model)
    # Here first: what is wrong with it is said before Ray has started.
    load_distiller(folder, how.model.uri)
    connect(settings)
    arguments = (settings, run.flow_run_id, plan.snapshot, how, str(folder))
    with progress("refine", len(plan.work), "clips") as bar:
        cut = batches(plan.work, settings.cpus)
        for outcome in map_batches_again(
            ClipRefiner, arguments, cut, actors=min(settings.cpus, len(cut))
        ):
            if isinstance(outcome, Finished):
                _commit(outcome.result, run)
                totals.add(outcome.result)
            else:
                why = (outcome.reason, "its worker died twice")
                refused = [refusal(one, how.version, why, run.flow_run_id) for one in outcome.item]
                run.catalog.commit(QUARANTINE, refused)
                run.ledger.quarantined += len(refused)
            bar.advance(len(outcome.item))
    return totals


def batches(work: Sequence[RefineWork], cpus: int) -> list[list[RefineWork]]:
    """Cut the work, in order of session and time, into batches that keep every core busy."""
    size = max(1, min(BATCH_CLIPS, -(-len(work) // (cpus * 2))))
    return [list(work[at : at + size]) for at in range(0, len(work), size)]


def _commit(found: RefinedClips, run: FlowRun) -> None:
    run.catalog.commit_files(CODES, found.files)
    run.catalog.commit(QUARANTINE, found.quarantine)
    run.ledger.done += found.clips
    run.ledger.quarantined += len(found.quarantine)
    run.ledger.bytes_in += found.bytes_before
    run.ledger.bytes_out += sum(file.bytes for file in found.files)


@task(cache_policy=NO_CACHE, persist_result=False)
def let_serve(plan: RefinePlan, run: FlowRun) -> bool:
    """Have the refined codes serve from now on, if no clip waits; tell whether they do.

    At once, unasked: by the energy none is worse than what served, embeddings are the same, and
    those of before stay readable until a vacuum. A clip that was refused keeps the code it had.
    """
    how, snapshot = plan.refining, run.catalog.snapshot()
    serving = serving_of(snapshot, how.model.name)
    if serving is not None and serving["version"] == how.version:
        return True
    if run.ledger.pending or run.ledger.failed:
        return False
    run.catalog.commit(CODES, _as_they_were(how, snapshot, run.flow_run_id))
    begin_serving(how, run)
    return True


def _as_they_were(how: Refining, snapshot: Snapshot, flow_run_id: str) -> list[dict[str, Any]]:
    """Return the codes of refused clips as of the new version: else those would have none."""
    refused = [
        row for row in refine_state(snapshot, how) if row["is_refused"] and not row["is_there"]
    ]
    return [how.row(row, flow_run_id) for row in stored_codes(snapshot, how, refused)]


@task(cache_policy=NO_CACHE, persist_result=False)
def log_refinement(plan: RefinePlan, found: RefinedClips, run: FlowRun) -> str:
    """Put what was refined on record in MLflow, with the energy curves as a picture.

    Returns the id of its run.

    Raises:
        TrackingUnavailableError: MLflow fails; the codes are committed all the same.
    """
    from tasks.codes.energy_picture import energy_picture

    settings, how = run.settings, plan.refining
    parameters: dict[str, object] = {
        "method": how.method,
        "evaluations": how.evaluations,
        "seed": how.seed,
        "model": how.model.uri,
        "base": how.base,
        "version": how.version,
    }
    with tracking_errors(settings, "The refined codes are committed."):
        with registry.start_run(settings, EXPERIMENT, parameters, {}) as tracked:
            tracked.log_metrics(figures(found) | {"clips": found.clips})
            if found.curves:
                tracked.log_picture(energy_picture(found.curves), "energy.png")
        return tracked.run_id


def figures(found: RefinedClips) -> dict[str, Any]:
    """Return what this run's refinement came to: means over its windows, and bytes in all."""
    if not found.codes:
        return {"codes": 0}
    return {
        "codes": found.codes,
        "codes_changed": found.refined,
        "energy_before": round(found.energy_before / found.codes, 6),
        "energy_after": round(found.energy_after / found.codes, 6),
        "code_bytes_before": found.bytes_before,
        "code_bytes_after": found.bytes_after,
        "evaluations": found.evaluations,
        "cpu_s_a_clip": round(found.cpu_seconds / max(1, found.clips), 3),
    }
