"""Flow *reindex*: a code of every clip by the champion. Reads features, writes codes."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.encode import encode_clips, plan_encode, vacuum_codes
from tasks.run_record import flow_record


@flow(name="reindex", validate_parameters=False)
def reindex(
    model: str | None = None, home: str | None = None, *, vacuum: bool = False
) -> dict[str, Any]:
    """Encode every clip that has no code by this model and its present features.

    With `vacuum` codes of other models are removed once nothing is left to encode.
    """
    settings = load_settings(home)
    with flow_record("reindex", settings, {"model": model, "vacuum": vacuum}) as run:
        plan = plan_encode(model, run)
        encode_clips(plan, run)
        if vacuum:
            run.ledger.extra["removed"] = vacuum_codes(plan, run)
    return run.report
