"""Flow *promote*: hold a model version against its gates; the only mover of `champion`."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.events import model_was_promoted
from infra.errors import UsageError
from infra.settings import load_settings
from tasks.judging.promotion import promote_version, roll_back
from tasks.runs.record import flow_record


@flow(name="promote", validate_parameters=False)
def promote(
    model: str = "super-resolution",
    version: int | None = None,
    home: str | None = None,
    *,
    rollback: bool = False,
) -> dict[str, Any]:
    """Promote a version (the newest if none is named) if every gate passes.

    With `rollback` the champion before this one serves again, whatever the gates would say.

    Raises:
        UsageError: a version and a rollback cannot both be asked for.
    """
    if rollback and version is not None:
        raise UsageError(
            "A rollback goes to the champion before this one; it takes no version.",
            command=f"stillhouse promote {model} --rollback",
        )
    settings = load_settings(home)
    parameters = {"model": model, "version": version, "rollback": rollback}
    with flow_record("promote", settings, parameters) as run:
        found = roll_back(model, run) if rollback else promote_version(model, version, run)
    if found["champion_after"] not in (None, found["champion_before"]):
        model_was_promoted(model, found["champion_after"])
    return {**run.report, **found}
