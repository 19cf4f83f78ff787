"""Flow *export*: a model of the registry as ONNX, for machines without this application."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.export.exporting import export_model
from tasks.runs.record import flow_record


@flow(name="export", validate_parameters=False)
def export(
    model: str, to: str, home: str | None = None, *, int8: bool = False, pte: bool = False
) -> dict[str, Any]:
    """Write a model's step into a folder, in fp32, int8 and for ExecuTorch, with a manifest."""
    settings = load_settings(home)
    parameters = {"model": model, "to": to, "int8": int8, "pte": pte}
    with flow_record("export", settings, parameters) as run:
        found = export_model(model, to, run, int8=int8, pte=pte)
    return {**run.report, **found}
