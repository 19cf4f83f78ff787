"""Action recognition: what happens in each clip, told from its stored codes. Plans only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from catalog.query import rows
from catalog.schemas.actions import ACTIONS
from infra import registry
from tasks.actions.presets import MODEL_NAME
from tasks.applications.application import Application, Draft, Refused, Spec, one_a_camera
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.views.current import view_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from catalog.snapshot import Snapshot
    from tasks.applications.application import ChosenClip, Context, Maker

# Clips whose codes, some 5 KB each, are looked up by one query.
CLIPS_AT_A_TIME = 256
# What is drawn of a body.
BODY_VIEWS = ("skeleton", "tracks")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker finds codes and bodies, and the folder of the distiller that reads codes."""

    snapshot: Snapshot
    encoder: str


@dataclass(frozen=True)
class RecogniseActions(Application):
    """`least_score` is the probability below which a stretch of a clip is not named."""

    spec: ClassVar[Spec] = Spec(
        name="action",
        doc="What happens in every clip, drawn over every chosen camera.",
        model=MODEL_NAME,
        table=ACTIONS,
    )

    least_score: float = 0.0

    def drafts(self, clips: Iterable[ChosenClip], context: Context) -> Iterator[Draft | Refused]:
        """Plan one video a camera of each clip that has codes by the model's distiller."""
        versions = view_versions(BODY_VIEWS, context.settings)
        wanted = context.model.tags.get("codes") if context.model else None
        folders: dict[int, str] = {}
        rest = iter(clips)
        while chosen := list(islice(rest, CLIPS_AT_A_TIME)):
            held = _codes(chosen, context.snapshot)
            for clip, camera in one_a_camera(chosen):
                codes = held.get(clip.clip_id, [])
                if not codes:
                    yield Refused(camera, "no_code", "it has no code: stillhouse reindex")
                    continue
                if codes[0]["version"] != wanted:
                    detail = "its codes are of another version than the model learned from"
                    yield Refused(camera, "other_codes", f"{detail}: distill --model action")
                    continue
                number = codes[0]["model_version"]
                if number not in folders:
                    version = registry.version_info(context.settings, DISTILLER, number)
                    folders[number] = str(registry.download(context.settings, version))
                yield Draft(
                    (camera,),
                    clip.span,
                    tuple(code["code_id"] for code in codes),
                    {"views": versions},
                    Place(context.snapshot, folders[number]),
                )

    def maker(self, model_folder: str | None) -> Maker:
        """Load the head."""
        from tasks.applications.action_maker import ActionMaker

        if model_folder is None:
            raise TypeError("action has a model")
        return ActionMaker(model_folder, self)


def _codes(chosen: list[ChosenClip], snapshot: Snapshot) -> dict[str, list[dict[str, Any]]]:
    """Return the codes of some clips that serve, each clip's in order of time."""
    asked = {
        "model": DISTILLER,
        "session_ids": sorted({clip.session_id for clip in chosen}),
        "clip_ids": [clip.clip_id for clip in chosen],
    }
    held: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(snapshot, "codes_to_label", asked):
        held[row["clip_id"]].append(row)
    return held
