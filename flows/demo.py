"""Flow *demo*: the whole road in one run, from a folder of footage to new video.

Each stage is the flow that users run; nothing here is made for the demo but the choice of what
to run it on.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.distill import distill
from flows.extract import extract
from flows.generate import generate
from flows.ingest import ingest
from flows.promote import promote
from flows.reindex import reindex
from infra.settings import load_settings
from tasks.distiller_presets import MODEL_NAME as DISTILLER
from tasks.sample import sample_archive

# One clip of each held-out session, all its cameras: footage the model has never seen.
HELDOUT_CLIPS = (
    "select clip_id from current_clips where split = 'heldout' "
    "qualify row_number() over (partition by session_id order by start_ns) = 1"
)
# The distiller's preset: the larger ones take minutes that a first look does not have.
DISTILLER_PRESET = "ci"
# The model is given the clips at this size, so that its video can be compared with the truth.
INPUT_SIDE = 144


def chosen_preset(preset: str | None, *, synthetic: bool) -> str:
    """Return the preset that is meant: the laptop's for real footage, the short one else."""
    return preset or ("ci" if synthetic else "laptop")


@flow(name="demo", validate_parameters=False)
def demo(
    *, synthetic: bool = False, preset: str | None = None, home: str | None = None
) -> dict[str, Any]:
    """Fetch or make the sample archive, then run every stage: ingest to the distiller's codes."""
    archive = sample_archive(load_settings(home), synthetic=synthetic)
    # The demo's own heartbeat speaks for its stages: each one more costs .9 s to end.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        stages = {
            "ingest": ingest(archive, home),
            "extract": extract((), home),
            "distill": distill(chosen_preset(preset, synthetic=synthetic), home),
            "promote": promote(home=home),
        }
        if stages["promote"]["champion_after"] is not None:
            stages["generate"] = generate(
                "super-resolution", HELDOUT_CLIPS, options={"input_side": INPUT_SIDE}, home=home
            )
        stages["distill_distiller"] = distill(DISTILLER_PRESET, home, DISTILLER)
        stages["promote_distiller"] = promote(DISTILLER, home=home)
        if stages["promote_distiller"]["champion_after"] is not None:
            stages["reindex"] = reindex(home=home)
    return {"archive": archive, "stages": stages}
