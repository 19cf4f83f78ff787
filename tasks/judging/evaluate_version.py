"""Judges one version of any model on the held-out material of now, as promotion does.

Reads the catalog and the registry; moves and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.past_runs import tracking_errors
from tasks.robustness.run import version_asked
from tasks.training.recipes import recipe_named

if TYPE_CHECKING:
    from tasks.runs.record import FlowRun


@task(cache_policy=NO_CACHE, persist_result=False)
def judge_version(model: str, version: int | None, run: FlowRun) -> dict[str, Any]:
    """Return a version's figures beside its baselines; what is on record is not measured again.

    Raises:
        UnknownModelError: this code has no recipe for it.
        ModelNotFoundError: no such model or version.
        TrackingUnavailableError: MLflow fails.
    """
    recipe = recipe_named(model)
    run.ledger.inputs = 1
    with tracking_errors(run.settings):
        found = version_asked(run, model, version)
        (evaluation,) = recipe.judge([found], run)
    run.ledger.done = 1
    return {
        "mlflow_run_id": found.run_id,
        "model": model,
        "version": found.version,
        "metrics": evaluation.model_metrics(),
        "baselines": evaluation.baseline_metrics(),
        "per_session": evaluation.table(),
        "remarks": evaluation.remarks(),
    }
