"""Flow *distill*: train a model on held-in sessions, judge it on held-out ones, register it."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.runs.record import flow_record
from tasks.training.distill import describe, distill_model, plan_distill, send_kept


@flow(name="distill", validate_parameters=False)
def distill(
    preset: str = "laptop",
    home: str | None = None,
    model: str = "super-resolution",
    *,
    resume: bool = False,
    teacher: str | None = None,
) -> dict[str, Any]:
    """Make one model version as its recipe says, unless the registry has it already.

    With `resume` nothing is trained: what was and could not be registered is registered. A student
    learns from `teacher`, a model of the registry (the champion distiller).
    """
    settings = load_settings(home)
    parameters = {"preset": preset, "model": model, "resume": resume, "teacher": teacher}
    with flow_record("distill", settings, parameters) as run:
        if resume:
            found = send_kept(run)
        else:
            plan = plan_distill(preset, run, model, teacher)
            if plan.version is None:
                found = distill_model(plan, run)
            else:
                found = describe(settings, plan.version, model)
    return {**run.report, **found}
