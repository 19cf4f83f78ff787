"""Flow *demo*: the whole road in one run, from a folder of footage to new video of every kind.

Each stage is the flow that users run; nothing here is made for the demo but the choice of what
to run it on (`demo_steps.py`).
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.demo_search import demo_search
from flows.demo_steps import chosen_preset, generations, models
from flows.distill import distill
from flows.extract import extract
from flows.generate import generate
from flows.ingest import ingest
from flows.promote import promote
from flows.reindex import reindex
from infra.settings import load_settings
from tasks.applications.catalogue import application_of
from tasks.encoder_presets import ENCODERS
from tasks.sample import sample_archive


@flow(name="demo", validate_parameters=False)
def demo(
    *, synthetic: bool = False, preset: str | None = None, home: str | None = None
) -> dict[str, Any]:
    """Fetch or make the sample archive, then run every stage, ingest to a search."""
    settings = load_settings(home)
    archive = sample_archive(settings, synthetic=synthetic)
    # The demo's own heartbeat speaks for its stages: each one more costs .9 s to end.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        stages = {"ingest": ingest(archive, home), "extract": extract((), home)}
        serving: set[str | None] = {None}
        for model, size in models(chosen_preset(preset, synthetic=synthetic)).items():
            stages[f"distill {model}"] = distill(size, home, model)
            promoted = stages[f"promote {model}"] = promote(model, home=home)
            if promoted["champion_after"] is None:
                continue
            serving.add(model)
            if model in ENCODERS:
                stages["reindex"] = reindex(f"models:/{model}@champion", home)
        for one in generations(synthetic=synthetic):
            if application_of(one.application, one.options).model in serving:
                stages[one.stage] = generate(
                    one.application, one.select, options=one.options, home=home
                )
    return {"archive": archive, "stages": stages, "search": demo_search(settings)}
