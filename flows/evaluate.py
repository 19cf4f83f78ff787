"""Flow *evaluate*: judge a model version on held-out footage, as it is or damaged; move nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.evaluate_report import Asked, require_asked
from infra.errors import UsageError
from infra.settings import load_settings
from tasks.judging.evaluate_version import judge_version
from tasks.robustness.run import judge_cells, plan_robustness, tell_robustness
from tasks.runs.record import FlowRun, flow_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.settings import Settings


@flow(name="evaluate", validate_parameters=False)
def evaluate(
    model: str = "super-resolution",
    version: int | None = None,
    home: str | None = None,
    *,
    robustness: str | None = None,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    windows: int | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Judge a version (the newest if none is named); with `robustness` in cells of damage.

    Raises:
        UsageError, UnknownCorruptionError: there is no such thing to ask for.
    """
    asked: Asked = {
        "robustness": robustness,
        "corruptions": corruptions,
        "severities": severities,
        "windows": windows,
    }
    require_asked(asked)
    settings = load_settings(home)
    parameters = {"model": model, "version": version, "robustness": robustness}
    with flow_record("evaluate", settings, parameters) as run:
        if robustness is None:
            found = judge_version(model, version, run)
        else:
            plan = plan_robustness(
                model,
                version,
                robustness,
                run,
                corruptions=corruptions,
                severities=severities,
                windows=windows,
            )
            judge_cells(plan, run, workers)
            found = tell_robustness(plan, run)
    return {**run.report, "robustness": robustness, **found}


def evaluate_plan(
    settings: Settings, model: str, version: int | None, asked: Asked
) -> dict[str, Any]:
    """Return how many cells there are and how many would be judged; nothing is.

    Raises:
        UsageError, UnknownCorruptionError: there is no such thing to ask for.
        ModelNotFoundError: no such model or version.
    """
    require_asked(asked)
    level = asked["robustness"]
    if level is None:
        raise UsageError(
            "Without --robustness there are no cells to count.",
            command=f"stillhouse evaluate --model {model}",
        )
    plan = plan_robustness.fn(
        model,
        version,
        level,
        FlowRun("evaluate", settings),
        corruptions=asked["corruptions"],
        severities=asked["severities"],
        windows=asked["windows"],
    )
    return {
        "dry_run": True,
        "model": plan.version.name,
        "version": plan.version.version,
        "cells": len(plan.cells),
        "cells_known": len(plan.cells) - len(plan.missing),
        "cells_to_judge": len(plan.missing),
    }
