"""Flow *reindex*: the code of every current clip, by the champion. Reads features, writes codes."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.encode import encode_clips, vacuum_codes
from tasks.encode_plan import plan_codes
from tasks.keep_codes import keep_codes
from tasks.run_record import flow_record


@flow(name="reindex", validate_parameters=False)
def reindex(
    model: str | None = None, home: str | None = None, *, vacuum: bool = False
) -> dict[str, Any]:
    """Encode every clip without a code by this model (the champion). Safe to run again.

    With `vacuum` the codes that no longer serve are removed afterwards.
    """
    settings = load_settings(home)
    with flow_record("reindex", settings, {"model": model, "vacuum": vacuum}) as run:
        plan = plan_codes(model, run)
        encode_clips(plan, run)
        if vacuum:
            vacuum_codes(plan, run)
        keep_codes(plan, run)
    coding = plan.coding
    return {**run.report, "model": coding.model.uri, "version": coding.version}
