"""Flow *extract*: every missing feature of every current clip. Reads archives, writes features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow

from infra.settings import load_settings
from tasks.extraction.features import compute_features
from tasks.extraction.plan import plan_features
from tasks.runs.record import flow_record

if TYPE_CHECKING:
    from collections.abc import Sequence


@flow(name="extract", validate_parameters=False)
def extract(views: Sequence[str] = (), home: str | None = None) -> dict[str, Any]:
    """Compute what is missing of the named views (none named: all). Safe to run again."""
    settings = load_settings(home)
    with flow_record("extract", settings, {"views": list(views)}) as run:
        plan = plan_features(views, run)
        compute_features(plan, run)
    return run.report
