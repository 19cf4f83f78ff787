"""What the house tells the server that runs its schedules, for automations to act upon.

Without a server (`PREFECT_API_URL`) there is nobody to tell, and nothing is sent.
"""

from __future__ import annotations

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

PROMOTED = "stillhouse.model.promoted"
QUARANTINE_HIGH = "stillhouse.quarantine.high"


def model_was_promoted(model: str, version: int) -> None:
    """Say that a version of a model serves from now on."""
    _emit(PROMOTED, f"stillhouse.model.{model}", {"model": model, "version": version})


def quarantine_is_high(flow: str, share: float, most: float) -> None:
    """Say that a flow refused more of its inputs than it should."""
    payload: dict[str, str | int | float] = {"flow": flow, "share": share, "most": most}
    _emit(QUARANTINE_HIGH, f"stillhouse.flow.{flow}", payload)


def _emit(event: str, resource: str, payload: dict[str, str | int | float]) -> None:
    if PREFECT_API_URL.value():
        emit_event(event=event, resource={"prefect.resource.id": resource}, payload=payload)
