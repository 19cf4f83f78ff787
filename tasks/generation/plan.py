"""Plans a generation: which videos a selection asks for, and which of them are there already.

Reads the catalog and the registry; writes nothing. A plan holds ids alone; its requests are built
again while they are worked on, so that a million clips do not stand in memory.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog import ids
from catalog.query import batches, connect, rows
from catalog.usersql import Choice, selection
from infra import registry
from infra.errors import ApplicationOptionError, SelectionEmptyError
from tasks.applications.application import ChosenClip, Context, Draft, Refused
from tasks.containers.encoders import IN_MP4, require_encoder
from tasks.generation.requests import Request, camera_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from tasks.applications.application import Application
    from tasks.generation.requests import Encoding
    from tasks.runs.record import FlowRun

# Cameras of one clip stand together, clips of one recording follow each other.
IN_ORDER = "select * from clip_sources order by session_id, start_ns, clip_id, camera_id"
ROWS_AT_A_TIME = 4096


class Selection:
    """The clips that a user's SQL chose, with all their cameras; iterate as often as you like."""

    def __init__(self, snapshot: Snapshot, sql: str) -> None:
        self._snapshot = snapshot
        self._wanted = set(selection(snapshot, sql))

    def __iter__(self) -> Iterator[ChosenClip]:
        """Yield them by session and time."""
        with connect(self._snapshot) as connection:
            parts = batches(connection, IN_ORDER, ROWS_AT_A_TIME)
            found = (row for part in parts for row in part.to_pylist())
            for clip_id, cameras in groupby(found, lambda row: row["clip_id"]):
                every = Choice(clip_id) in self._wanted
                held = [camera_source(row) for row in cameras]
                wanted = tuple(
                    one
                    for one in held
                    if every or Choice(clip_id, one.clip.camera_id) in self._wanted
                )
                if wanted:
                    yield ChosenClip(tuple(held), wanted)


@dataclass
class GeneratePlan:
    """What one run will make: which requests are due, what was refused, and with which model."""

    application: Application
    encoding: Encoding
    context: Context
    clips: Selection
    folder: Path
    due: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)

    @property
    def model(self) -> ModelVersion | None:
        """The model version that serves, if one is needed."""
        return self.context.model

    @property
    def parameters(self) -> str:
        """Everything that was asked for, as JSON with sorted keys."""
        asked = self.application.parameters() | {"encoding": asdict(self.encoding)}
        return json.dumps(asked, sort_keys=True)

    def drafts(self) -> Iterator[tuple[str, Draft] | Refused]:
        """Yield every video that the selection asks for, with its id."""
        parameters = self.parameters
        few: list[Refused] = []
        for draft in self.application.drafts(self._enough(few), self.context):
            yield from few
            few.clear()
            yield draft if isinstance(draft, Refused) else (self._id(draft, parameters), draft)
        yield from few

    def requests(self) -> Iterator[Request]:
        """Yield what is due, ready to be worked on."""
        for found in self.drafts():
            if isinstance(found, Refused) or found[0] not in self.due:
                continue
            generation_id, draft = found
            yield Request(
                generation_id,
                draft.sources,
                draft.span,
                draft.codes,
                draft.given,
                self.encoding,
                str(target_of(self.folder, generation_id, self.encoding)),
                draft.place,
            )

    def _enough(self, few: list[Refused]) -> Iterator[ChosenClip]:
        """Yield the clips that have the cameras it takes; the others go to `few`."""
        least = self.application.spec.least_cameras
        for clip in self.clips:
            if len(clip.cameras) >= least:
                yield clip
                continue
            detail = f"it has {len(clip.cameras)} cameras, {least} are needed"
            few.append(Refused(clip.wanted[0], "too_few_cameras", detail))

    def _id(self, draft: Draft, parameters: str) -> str:
        places = [[one.clip.clip_id, one.clip.camera_id] for one in draft.sources]
        given = json.dumps(draft.given, sort_keys=True, default=str)
        return ids.digest(
            "generation",
            self.application.spec.name,
            self.model.digest if self.model else None,
            places,
            [draft.span.start_ns, draft.span.end_ns],
            list(draft.codes),
            given,
            parameters,
        )


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_generations(
    application: Application, select: str, model_uri: str | None, encoding: Encoding, run: FlowRun
) -> GeneratePlan:
    """Turn a user's selection into what is due; what was made before, and is there, is cached.

    `select` is SQL that gives `clip_id` and, if wanted, `camera_id`.

    Raises:
        SelectionInvalidError, SelectionEmptyError: the selection is wrong.
        ApplicationOptionError, InputFileError: an option, or a file that one names, is.
        NoChampionError: no model has been promoted.
    """
    require_encoder(encoding.codec, encoding.pixel_format)
    settings, snapshot = run.settings, run.catalog.snapshot()
    application = application.resolved(settings)
    serves = application.model
    if model_uri and not serves:
        raise ApplicationOptionError(
            f"{application.spec.name} asked for so needs no model.",
            command=f"stillhouse generate {application.spec.name} --help",
        )
    clips = Selection(snapshot, select)
    model = (
        registry.resolve(settings, model_uri or f"models:/{serves}@champion") if serves else None
    )
    plan = GeneratePlan(
        application, encoding, Context(settings, snapshot, model), clips, settings.generations
    )
    made = {row["generation_id"] for row in rows(snapshot, "made_generations")}
    for found in plan.drafts():
        if isinstance(found, Refused):
            plan.refused.append(found)
        elif found[0] in made and target_of(plan.folder, found[0], encoding).exists():
            run.ledger.cached += 1
        else:
            plan.due.add(found[0])
    run.ledger.inputs = run.ledger.cached + len(plan.due) + len(plan.refused)
    if not run.ledger.inputs:
        raise SelectionEmptyError(
            "The selection names no clip of the archive as it is now.",
            command='stillhouse sql "select clip_id from current_clips"',
        )
    return plan


def target_of(folder: Path, generation_id: str, encoding: Encoding) -> Path:
    """Return where a video goes: mp4 where its players know the codec, Matroska else."""
    suffix = ".mp4" if encoding.codec in IN_MP4 else ".mkv"
    return folder / f"{generation_id}{suffix}"
