"""Action recognition: what happens in each clip, told from its stored codes. Plans only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from catalog.query import rows
from catalog.schemas.actions import ACTIONS
from infra import registry
from tasks.action_presets import MODEL_NAME
from tasks.applications.application import Application, Draft, Refused, Spec, one_a_camera
from tasks.distiller_presets import MODEL_NAME as DISTILLER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from tasks.applications.application import ChosenClip, Context, Maker


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
        chosen = list(clips)
        snapshot = context.snapshot
        sessions = sorted({clip.session_id for clip in chosen})
        held: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows(snapshot, "codes_to_label", {"model": DISTILLER, "session_ids": sessions}):
            held[row["clip_id"]].append(row)
        folders: dict[int, str] = {}
        wanted = context.model.tags.get("codes") if context.model else None
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
                {"catalog": snapshot.catalog_uri, "encoder": folders[number]},
            )

    def maker(self, model_folder: str | None) -> Maker:
        """Load the head."""
        from tasks.applications.action_maker import ActionMaker

        if model_folder is None:
            raise TypeError("action has a model")
        return ActionMaker(model_folder, self)
