"""Flow *generate*: new video from a SQL selection of clips, with lineage and measured quality."""

from __future__ import annotations

from typing import Any

from prefect import flow

from infra.settings import load_settings
from tasks.generate import make_generations, plan_generations
from tasks.run_record import flow_record

EVERY_CLIP = "select clip_id from current_clips"


@flow(name="generate", validate_parameters=False)
def generate(
    application: str,
    select: str = EVERY_CLIP,
    model: str | None = None,
    input_side: int | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Make a video of every selected clip that has none yet. Safe to run again."""
    settings = load_settings(home)
    parameters = {"application": application, "select": select, "input_side": input_side}
    with flow_record("generate", settings, parameters) as run:
        plan = plan_generations(application, select, model, input_side, run)
        made = make_generations(application, plan, run)
    return {**run.report, "model": plan.model.uri, "files": [row["uri"] for row in made]}
