"""Flow *demo*: the whole road in one run, from a folder of footage to new video of every kind.

Each stage is the flow that users run; nothing here is made for the demo but the choice of what
to run it on (`demo_steps.py`).
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.demo_search import demo_search
from flows.demo_steps import chosen_preset, generations, models, served_by
from flows.distill import distill
from flows.extract import extract
from flows.generate import generate
from flows.ingest import ingest
from flows.label import label
from flows.promote import promote
from flows.reindex import reindex
from infra.settings import load_settings
from tasks.applications.catalogue import application_of
from tasks.codes.presets import ENCODERS
from tasks.runs.artifacts import show_stages
from tasks.sample import sample_archive, sample_labels


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
        labels = sample_labels(synthetic=synthetic)
        if labels is not None:
            stages["label"] = label(labels, home)
        size, made = chosen_preset(preset, synthetic=synthetic), {}
        for model, its_preset in models(size, synthetic=synthetic).items():
            learned = stages[f"distill {model}"] = distill(its_preset, home, model)
            promoted = stages[f"promote {model}"] = promote(model, home=home)
            made[model] = served_by(model, learned, promoted)
            if made[model] and model in ENCODERS:
                stages["reindex"] = reindex(made[model], home)
        for one in generations(synthetic=synthetic):
            needed = application_of(one.application, one.options).model
            version = made[needed] if needed else None
            if version or not needed:
                stages[one.stage] = generate(
                    one.application, one.select, version, options=one.options, home=home
                )
    show_stages("demo", stages, [])
    return {"archive": archive, "stages": stages, "search": demo_search(settings)}
