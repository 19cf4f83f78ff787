"""Flow *generate*: new video from a SQL selection of clips, with lineage and measured quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import flow

from infra.settings import load_settings
from tasks.applications.catalogue import application_of
from tasks.generation.generate import make_generations
from tasks.generation.plan import plan_generations
from tasks.generation.requests import Encoding
from tasks.runs.record import flow_record

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_CLIP = "select clip_id from current_clips"


@flow(name="generate", validate_parameters=False)
def generate(
    application: str,
    select: str = EVERY_CLIP,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    encoding: Mapping[str, Any] | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Make a video of every selected clip that has none yet. Safe to run again.

    `options` are the application's (`stillhouse generate APPLICATION --help`), `encoding` are
    codec, crf and pixel_format.
    """
    asked = application_of(application, options or {})
    written = Encoding(**(encoding or {}))
    settings = load_settings(home)
    parameters = {"application": application, "select": select, "options": asked.parameters()}
    with flow_record("generate", settings, parameters) as run:
        plan = plan_generations(asked, select, model, written, run)
        made = make_generations(plan, run)
    return {**run.report, "model": plan.model.uri if plan.model else None, "files": made}
