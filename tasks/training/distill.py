"""Distil: trains a model as its recipe says, judges it on what it never saw, registers it.

Reads the catalog and the archive; writes an MLflow run and a model version, and before that the
result into home (`kept_results.py`). Training runs in one Ray task that streams its progress back;
MLflow is spoken to by the driver alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import rows
from infra import registry
from infra.errors import ModelInvalidError, NothingKeptError
from infra.observability import log_facts, progress
from infra.past_runs import tracking_errors
from infra.ray_cluster import connect, stream
from tasks.judging.heldout import recorded_evaluation
from tasks.superresolution.presets import MODEL_NAME
from tasks.training.kept_results import (
    forget,
    keep,
    kept_result,
    kept_results,
    plan_folder,
    plan_lock,
)
from tasks.training.recipe import DistillPlan, Work
from tasks.training.recipes import make_model, recipe_named, taught_recipe
from tasks.training.registration import KEY_TAG, log_and_register, run_tags, send

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.runs.record import FlowRun

# Raise it when runs put more on record: what was made before is not what distill would make.
RECORD = 2


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_distill(
    preset_name: str, run: FlowRun, model: str = MODEL_NAME, teacher: str | None = None
) -> DistillPlan:
    """Choose what to learn from and tell whether this model exists already.

    `teacher` is how the registry names the one that a student learns from, if not the champion.

    Raises:
        UnknownModelError, UnknownPresetError: no model or preset of that name.
        UsageError: a teacher is named for a model that has none.
        TrackingUnavailableError: MLflow does not answer.
        StillhouseError: what the recipe needs is not there.
    """
    with tracking_errors(run.settings):
        plan = taught_recipe(model, teacher).plan(preset_name, run)
    key = ids.digest("distill", str(RECORD), plan.key)
    with tracking_errors(run.settings):
        version = registry.find_version(run.settings, model, KEY_TAG, key)
    run.ledger.inputs = 1
    run.ledger.cached = int(version is not None)
    return replace(plan, key=key, version=version)


@task(cache_policy=NO_CACHE, persist_result=False)
def distill_model(plan: DistillPlan, run: FlowRun) -> dict[str, Any]:
    """Train and register one model version; return what `--json` shows of it.

    The version carries its key as a tag from the moment it exists, so a run that is killed before
    that leaves nothing that could be mistaken for a model. What an earlier run of the same plan
    trained and could not register is registered, and nothing is trained.

    Raises:
        TrackingUnavailableError: MLflow fails. Once trained, the result is kept in home.
        StillhouseError: training fails, or its result is not usable.
    """
    settings = run.settings
    with tracking_errors(settings), plan_lock(settings, plan.key):
        # Another process may have been first, and have held the lock until now.
        version = registry.find_version(settings, plan.model, KEY_TAG, plan.key)
        if version is not None:
            run.ledger.cached = 1
        else:
            version = _kept_version(plan, settings) or _train(plan, run)
            run.ledger.done = 1
        return describe(settings, version, plan.model)


def _kept_version(plan: DistillPlan, settings: Settings) -> int | None:
    kept = kept_result(settings, plan.key)
    if kept is None:
        return None
    try:
        version, _ = send(settings, kept)
    except ModelInvalidError as error:
        # Damaged since it was kept: it is trained again.
        log_facts("kept_result_refused", key=plan.key, reason=str(error))
        forget(settings, plan.key)
        return None
    log_facts("kept_result_registered", model=plan.model, version=version)
    return version


def _train(plan: DistillPlan, run: FlowRun) -> int:
    settings, catalog = run.settings, run.catalog.snapshot()
    connect(settings)
    tags = run_tags(plan.key, plan.heldout_digest, plan.preset.name, catalog.versions)
    with registry.start_run(settings, plan.model, plan.parameters, tags) as tracked:
        tracked.log_input_snapshot(settings.catalog, catalog.versions)
        result = _made(plan, settings)
        trained_on = _sessions(catalog, plan.trained_on)
        kept = keep(settings, plan, result, dict(catalog.versions), trained_on, tracked.run_id)
        return log_and_register(settings, kept, tracked)


def _made(plan: DistillPlan, settings: Settings) -> dict[str, Any]:
    """Train in a process of its own and return the recipe's result."""
    work = Work(plan, settings, str(plan_folder(settings, plan.key)))
    result: dict[str, Any] = {}
    with progress("distill", plan.steps, "steps") as bar:
        # Workers need the cores that the process which starts them would hold.
        cpus = None if plan.workers == 1 else 0
        for found in stream(make_model, work, settings, cpus):
            if "result" in found:
                result = found["result"]
            else:
                bar.set(found["step"])
    return result


def _sessions(catalog: Snapshot, session_ids: tuple[str, ...]) -> list[dict[str, str]]:
    if not session_ids:
        return []
    groups = {row["session_id"]: row["group_id"] for row in rows(catalog, "session_splits")}
    return [{"session_id": one, "group_id": groups[one]} for one in sorted(set(session_ids))]


@task(cache_policy=NO_CACHE, persist_result=False)
def send_kept(run: FlowRun) -> dict[str, Any]:
    """Register every trained model that is kept in home; return the last, and all as `sent`.

    Raises:
        NothingKeptError: there is none.
        TrackingUnavailableError: MLflow fails; what is left is still kept.
    """
    settings = run.settings
    kept = kept_results(settings)
    if not kept:
        raise NothingKeptError(
            "No trained model waits to be registered.", command="stillhouse distill"
        )
    run.ledger.inputs, sent = len(kept), []
    for one in kept:
        with plan_lock(settings, one.key):
            version, is_new = send(settings, one)
        run.ledger.done += is_new
        run.ledger.cached += not is_new
        sent.append({"model": one.model, "version": version})
    with tracking_errors(settings):
        return {**describe(settings, version, kept[-1].model), "sent": sent}


def describe(settings: Settings, version: int, model: str = MODEL_NAME) -> dict[str, Any]:
    """Return a model version as the contract's distill object, from what the registry holds."""
    info = registry.version_info(settings, model, version)
    evaluation = recipe_named(model).read(recorded_evaluation(settings, info))
    return {
        "mlflow_run_id": info.run_id,
        "model": model,
        "version": version,
        "metrics": evaluation.model_metrics(),
        "baselines": evaluation.baseline_metrics(),
        "per_session": evaluation.table(),
        "remarks": evaluation.remarks(),
    }
