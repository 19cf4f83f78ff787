"""Flow *label*: brings a file of labels into the catalog, for what learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.labels.labelling import commit_labels, plan_labels
from tasks.runs.record import flow_record


@flow(name="label", validate_parameters=False)
def label(file: str, home: str | None = None, *, withdraw: bool = False) -> dict[str, Any]:
    """Commit what a label file says, or that it no longer holds. Safe to run again."""
    settings = load_settings(home)
    with flow_record("label", settings, {"file": file, "withdraw": withdraw}) as run:
        plan = plan_labels(Path(file), run, withdraw=withdraw)
        commit_labels(plan, run)
    return dict(run.report)
