"""A trained model into MLflow: everything its run says, and the version in the registry.

Reads what `kept_results.py` keeps; writes an MLflow run, a model version, and removes what was
kept. Nothing is trained here, so it can be done again when the server was away.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from catalog import ids
from infra import registry
from infra.past_runs import end_lost_run, tracking_errors
from tasks.training.kept_results import forget, picture_of, plan_folder
from tasks.training.recipe import EVALUATION_FILE, TRAINED_ON_FILE
from tasks.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.settings import Settings
    from tasks.training.kept_results import KeptResult

KEY_TAG, SNAPSHOT_TAG = "distill_key", "snapshot_id"
SEND = "stillhouse distill --resume"


def snapshot_id(versions: Mapping[str, int]) -> str:
    """Name a snapshot of the catalog: the versions of all its tables."""
    return ids.digest("snapshot", *(f"{table}@{n}" for table, n in sorted(versions.items())))


def run_tags(
    key: str, heldout_digest: str, preset: str, versions: Mapping[str, int]
) -> dict[str, str]:
    """Return what a run says from its beginning."""
    return {
        KEY_TAG: key,
        "heldout_digest": heldout_digest,
        "preset": preset,
        SNAPSHOT_TAG: snapshot_id(versions),
    }


@contextmanager
def kept_if_it_fails(settings: Settings, kept: KeptResult) -> Iterator[None]:
    """Turn a failure of MLflow into an error that says where the model is and what sends it.

    Raises:
        TrackingUnavailableError: MLflow fails.
    """
    where = plan_folder(settings, kept.key)
    besides = f"The trained model is kept in {where}; sending it trains nothing again."
    with tracking_errors(settings, besides, SEND):
        yield


def log_and_register(settings: Settings, kept: KeptResult, tracked: registry.Run) -> int:
    """Log a result to an open run, register its model and forget it; return the version.

    Raises:
        TrackingUnavailableError: MLflow fails; the result is still kept.
        ModelInvalidError: the model does not answer.
        MissingBaselineError: the evaluation has not what it needs.
    """
    recipe, result = recipe_named(kept.model), kept.result
    evaluation = recipe.read(result["evaluation"])
    with kept_if_it_fails(settings, kept):
        tracked.set_tags(
            result["facts"] | {"weights_digest": result["digest"]} | result.get("tags", {})
        )
        _log_curves(tracked, result)
        figures = {"parameters": float(result["parameters"])} | result.get("figures", {})
        tracked.log_metrics(
            evaluation.metrics() | figures | {"train_seconds": result["train_seconds"]}
        )
        tracked.log_table(evaluation.table(), "per_session.json")
        tracked.log_text(result["evaluation"], EVALUATION_FILE)
        tracked.log_json(kept.trained_on, TRAINED_ON_FILE)
        tracked.log_picture(picture_of(settings, kept), "samples.png")
        version = registry.register_model(
            tracked,
            kept.model,
            plan_folder(settings, kept.key),
            example=recipe.example(),
            tags={
                KEY_TAG: kept.key,
                "heldout_digest": kept.heldout_digest,
                "weights_digest": result["digest"],
                "preset": kept.preset,
            }
            | result.get("tags", {}),
        )
    forget(settings, kept.key)
    return version


def _log_curves(tracked: registry.Run, result: Mapping[str, Any]) -> None:
    tracked.log_curve("train.loss", result["losses"])
    for name, values in result.get("curves", {}).items():
        tracked.log_curve(name, values)
    usage = dict(result["usage"])
    times_ms = usage.pop("times_ms")
    for name, values in usage.items():
        # MLflow's page shows what begins so among the system's metrics.
        tracked.log_curve(f"system/{name}", values, times_ms)


def send(settings: Settings, kept: KeptResult) -> tuple[int, bool]:
    """Register a kept result in a run of its own; return the version, and whether it is new.

    A run that was cut off before the registry answered may have registered it: then it is only
    forgotten.

    Raises:
        TrackingUnavailableError, ModelInvalidError, MissingBaselineError: see `log_and_register`.
    """
    with kept_if_it_fails(settings, kept):
        version = registry.find_version(settings, kept.model, KEY_TAG, kept.key)
        if version is not None:
            forget(settings, kept.key)
            return version, False
        tags = run_tags(kept.key, kept.heldout_digest, kept.preset, kept.snapshot)
        tags |= {"trained_by": kept.mlflow_run_id} if kept.mlflow_run_id else {}
        with registry.start_run(settings, kept.model, kept.parameters, tags) as tracked:
            tracked.log_input_snapshot(settings.catalog, kept.snapshot)
            version = log_and_register(settings, kept, tracked)
        if kept.mlflow_run_id:
            end_lost_run(settings, kept.mlflow_run_id)
    return version, True
