"""What the demo runs, as data: which models it learns, and what it makes with them.

Whether a run would find everything current (`standing.py`) is asked of the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks.actions.presets import MODEL_NAME as ACTION
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.style.presets import MODEL_NAME as STYLE
from tasks.superresolution.presets import MODEL_NAME as SUPER_RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Mapping

# One clip of each held-out session, all its cameras: footage the models have never seen.
HELDOUT_CLIPS = (
    "select clip_id from current_clips where split = 'heldout' "
    "qualify row_number() over (partition by session_id order by start_ns) = 1"
)
# One camera of one of them.
ONE_CLIP = (
    "select clip_id, cameras[1] as camera_id from current_clips where split = 'heldout' "
    "order by len(cameras) desc, session_id, start_ns limit 1"
)
# Without these there is nothing to show. The sample archive is too small for the others to always
# pass their gates: one that was refused is shown at work all the same, and that it was refused.
REQUIRED = (SUPER_RESOLUTION, DISTILLER)
# Models are given the clips at this size, so that their video can be compared with the truth.
INPUT_SIDE = 144


@dataclass(frozen=True, slots=True)
class Generation:
    """New video of one kind."""

    application: str
    select: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """Its name among the stages."""
        return f"generate {self.application}"


def models(preset: str, *, synthetic: bool) -> dict[str, str]:
    """Return the preset of each model that is learned, in order.

    Only the first has the preset that was asked for: the larger ones of the others take minutes
    that a first look does not have. Nobody acts in the generated archive.
    """
    of_any = {SUPER_RESOLUTION: preset, DISTILLER: "ci", STYLE: "ci"}
    return of_any if synthetic else of_any | {ACTION: "ci"}


def generations(*, synthetic: bool) -> tuple[Generation, ...]:
    """Return one of each kind that the sample archive has footage for."""
    of_any = (
        Generation(SUPER_RESOLUTION, HELDOUT_CLIPS, {"input_side": INPUT_SIDE}),
        Generation("synthesis", ONE_CLIP, {"damage": ["gauss:3", "gauss:3", "h264:3"]}),
        Generation(STYLE, ONE_CLIP, {"style": "ink"}),
    )
    if synthetic:
        take = "select clip_id from clip_sources where session_name = 'take_1'"
        marked = Generation("edit", take, {"change": "blur", "box": "60,40,60,60", "exact": True})
        return (*of_any, marked, Generation("cut", take, {"start": 0.4, "end": 1.2}))
    take = "select clip_id, camera_id from clip_sources where session_name = 'pose2sim/take_1'"
    # His bathing cap, at the second it is marked at, in the camera it is marked in and one more.
    worn = f"{take} and camera_id in ('cam01', 'cam03') and 400000000 between start_ns and end_ns"
    cap = {"box": "615,405,115,110", "camera": "cam01", "at": 0.4}
    marked = Generation("edit", worn, {"change": "recolour", "colour": "#ff7800", **cap})
    cut = Generation("cut", take, {"start": 0.4, "end": 1.4})
    return (*of_any, marked, cut, Generation(ACTION, ONE_CLIP))


def chosen_preset(preset: str | None, *, synthetic: bool) -> str:
    """Return the preset that is meant: the laptop's for real footage, the short one else."""
    return preset or ("ci" if synthetic else "laptop")


def served_by(model: str, learned: Mapping[str, Any], promoted: Mapping[str, Any]) -> str | None:
    """Return the version that new video is made with, None if it is not to be shown."""
    if promoted["champion_after"] is not None:
        return f"models:/{model}@champion"
    return None if model in REQUIRED else f"models:/{model}/{learned['version']}"
