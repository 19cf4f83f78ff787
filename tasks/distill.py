"""Distil: trains a model as its recipe says, judges it on what it never saw, registers it.

Reads the catalog and the archive; writes an MLflow run and a model version. Training runs in one
Ray task that streams its progress back; MLflow is spoken to by the driver alone.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import registry
from infra.observability import progress
from infra.ray_cluster import connect, stream
from tasks.judging import recorded_evaluation
from tasks.presets import MODEL_NAME
from tasks.recipe import EVALUATION_FILE, DistillPlan, Work
from tasks.recipes import make_model, recipe_named

if TYPE_CHECKING:
    from infra.settings import Settings
    from tasks.run_record import FlowRun


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_distill(preset_name: str, run: FlowRun, model: str = MODEL_NAME) -> DistillPlan:
    """Choose what to learn from and tell whether this model exists already.

    Raises:
        UnknownModelError, UnknownPresetError: no model or preset of that name.
        StillhouseError: what the recipe needs is not there.
    """
    plan = recipe_named(model).plan(preset_name, run)
    version = registry.find_version(run.settings, model, "distill_key", plan.key)
    run.ledger.inputs = 1
    run.ledger.cached = int(version is not None)
    return replace(plan, version=version)


@task(cache_policy=NO_CACHE, persist_result=False)
def distill_model(plan: DistillPlan, run: FlowRun) -> dict[str, Any]:
    """Train and register one model version; return what `--json` shows of it.

    The version carries its key as a tag from the moment it exists, so a run that is killed
    before that leaves nothing that could be mistaken for a model.
    """
    settings, recipe = run.settings, recipe_named(plan.model)
    connect(settings)
    folder = settings.state / "distill" / run.flow_run_id
    snapshot = run.catalog.snapshot()
    tags = {"distill_key": plan.key, "heldout_digest": plan.heldout_digest}
    result: dict[str, Any] = {}
    with registry.start_run(settings, plan.model, plan.parameters, tags) as tracked:
        tracked.log_input_snapshot(settings.catalog, snapshot.versions)
        with progress("distill", plan.steps, "steps") as bar:
            for found in stream(make_model, Work(plan, settings, str(folder)), settings):
                if "result" in found:
                    result = found["result"]
                else:
                    bar.set(found["step"])
        evaluation = recipe.read(result["evaluation"])
        tracked.log_curve("train.loss", result["losses"])
        metrics = evaluation.metrics() | {
            "parameters": float(result["parameters"]),
            "train_seconds": result["train_seconds"],
        }
        tracked.log_metrics(metrics)
        tracked.log_table(evaluation.table(), "per_session.json")
        tracked.log_text(result["evaluation"], EVALUATION_FILE)
        tracked.log_picture(result["picture"], "samples.png")
        version = registry.register_model(
            tracked,
            plan.model,
            folder,
            example=recipe.example(),
            tags=tags | {"weights_digest": result["digest"], "preset": plan.preset.name},
        )
    shutil.rmtree(folder, ignore_errors=True)
    run.ledger.done = 1
    return describe(settings, version, plan.model)


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
