"""Flow *reindex*: the code of every current clip, by the champion. Reads features, writes codes."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.codes.encode import encode_clips, vacuum_codes
from tasks.codes.encode_plan import plan_codes
from tasks.runs.record import flow_record
from tasks.search.keep_codes import keep_codes


@flow(name="reindex", validate_parameters=False)
def reindex(
    model: str | None = None,
    home: str | None = None,
    *,
    vacuum: bool = False,
    first: str | None = None,
    core_hours: float | None = None,
) -> dict[str, Any]:
    """Encode every clip without a code by this model (the champion). Safe to run again.

    Clips that the SQL `first` chooses come first. After `core_hours` of CPU it ends, and the next
    run goes on; the codes of before serve until all are there. With `vacuum` the codes that no
    longer serve are removed afterwards.
    """
    settings = load_settings(home)
    asked = {"model": model, "vacuum": vacuum, "first": first, "core_hours": core_hours}
    with flow_record("reindex", settings, asked) as run:
        plan = plan_codes(model, run, first)
        encode_clips(plan, run, core_hours)
        if vacuum:
            vacuum_codes(plan, run)
        keep_codes(plan, run)
    coding = plan.coding
    return {**run.report, "model": coding.model.uri, "version": coding.version}
