"""Flow *promote*: hold a model version against its gates; the only mover of `champion`."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.promotion import promote_version
from tasks.run_record import flow_record


@flow(name="promote", validate_parameters=False)
def promote(
    model: str = "super-resolution", version: int | None = None, home: str | None = None
) -> dict[str, Any]:
    """Promote a version (the newest if none is named) if every gate passes."""
    settings = load_settings(home)
    with flow_record("promote", settings, {"model": model, "version": version}) as run:
        found = promote_version(model, version, run)
    return {**run.report, **found}
