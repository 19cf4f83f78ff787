"""What one run of reindex will do: by which model, in which version, of which clips.

Reads the catalog, the registry and which assets are here; writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.ids import digest
from catalog.query import rows
from catalog.usersql import selection
from infra import registry
from infra.errors import CatalogEmptyError
from tasks.clip_index import indexed
from tasks.distiller_presets import MODEL_NAME
from tasks.encoder_presets import reading_of
from tasks.feature_plan import asked
from tasks.views.current import missing_assets, view_versions
from tasks.views.version import own_source
from tasks.windows import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from models.precision import Precision
    from tasks.clip_index import ClipIndex
    from tasks.run_record import FlowRun

STAGE = "reindex"
# What of our source can change a code besides the network, whose version stands in its files, and
# the views, which have versions of their own.
SOURCES = ("tasks.clip_index", "tasks.clip_windows", "tasks.encoding", "tasks.window_tensors")


@dataclass(frozen=True, slots=True)
class Coding:
    """How clips are encoded: by which model, from which views, in windows of `steps`, how exactly.

    `views` maps those that windows are read from to their versions; `tensors` are the windows'.
    """

    model: ModelVersion
    views: Mapping[str, str]
    steps: int
    precision: Precision
    tensors: tuple[str, ...] = WindowSpec().tensors

    @property
    def parts(self) -> dict[str, str]:
        """What the version is made of, by its name in the table `code_versions`."""
        return {
            "model_digest": self.model.digest,
            "views": json.dumps(dict(self.views), sort_keys=True),
            "windows": f"{self.steps} steps, {self.precision}",
            "source": digest(*own_source(SOURCES)),
        }

    @property
    def version(self) -> str:
        """The version of the codes."""
        return digest("code", *self.parts.values())[:16]

    @property
    def spec(self) -> WindowSpec:
        """The windows: end to end, of every camera that the network takes."""
        return WindowSpec(tensors=self.tensors, steps=self.steps, stride=self.steps)


@dataclass(frozen=True, slots=True)
class CodeWork:
    """One clip to be encoded: its end on the session clock, and the digest of what it is given."""

    clip: ClipIndex
    end_ns: int
    given: str

    def refusal(
        self, version: str, why: tuple[str, str], flow_run_id: str, seen_ns: int
    ) -> dict[str, Any]:
        """Return the quarantine row that says why this clip has no code of a version."""
        return {
            "item_id": self.clip.clip_id,
            "kind": "clip",
            "stage": STAGE,
            "reason": why[0],
            "detail": why[1],
            "version": version,
            "start_ns": self.clip.start_ns,
            "end_ns": self.end_ns,
            "frames": 0,
            "flow_run_id": flow_run_id,
            "seen_ns": seen_ns,
        }


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """The clips without a code of this version, read from one snapshot.

    `serves` says whether the model is the champion: then its codes are to be the current ones.
    """

    coding: Coding
    snapshot: Snapshot
    work: list[CodeWork]
    serves: bool

    @property
    def windows(self) -> int:
        """How many codes are to be made."""
        return sum(-(-one.clip.steps // self.coding.steps) for one in self.work)


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_codes(model_uri: str | None, run: FlowRun, first: str | None = None) -> EncodePlan:
    """Ask the catalog which clips have no code by a model (the champion), and count the others.

    A clip that still lacks a feature waits for extract, and is encoded once, from all of them.
    Clips that the SQL `first` chooses come before all others.

    Raises:
        CatalogEmptyError: nothing has been ingested.
        SelectionInvalidError, SelectionEmptyError: `first` is wrong.
        NoChampionError: no distiller has been promoted.
        UsageError, ModelNotFoundError: there is no such model.
    """
    snapshot = run.catalog.snapshot()
    if not rows(snapshot, "has_clips"):
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    model = registry.resolve(run.settings, model_uri or f"models:/{MODEL_NAME}@champion")
    coding = coding_by(model, snapshot, run.settings)
    names = {"model": model.name, "version": coding.version}
    state = rows(snapshot, "code_state", names | asked(dict(coding.views)))
    cached = [row for row in state if row["is_there"]]
    refused = [row for row in state if row["is_refused"] and not row["is_there"]]
    fresh = [row for row in state if not row["is_there"] and not row["is_refused"]]
    ready = {row["clip_id"]: row for row in fresh if not row["is_lacking"] and coding.views}
    run.ledger.inputs = len(state)
    run.ledger.cached = len(cached)
    run.ledger.quarantined = len(refused)
    run.ledger.pending = len(fresh) - len(ready)
    if run.ledger.pending:
        run.ledger.extra["pending_until"] = "stillhouse extract"
    sessions = {row["session_id"] for row in ready.values()}
    step_ns = run.settings.grid_step_ns
    clips = indexed(snapshot, "", step_ns, sessions) if sessions else []
    work = [
        CodeWork(clip, ready[clip.clip_id]["end_ns"], ready[clip.clip_id]["given"])
        for clip in clips
        if clip.clip_id in ready
    ]
    if first is not None:
        urgent = {one.clip_id for one in selection(snapshot, first)}
        work.sort(key=lambda one: one.clip.clip_id not in urgent)  # stable: else by time as before
    champion = registry.champion_version(run.settings, model.name)
    return EncodePlan(coding, snapshot, work, model.version == champion)


def coding_by(model: ModelVersion, snapshot: Snapshot, settings: Settings) -> Coding:
    """Return how a model encodes the clips of a snapshot here.

    Of the views that windows can have, those count that can be extracted here or have been: one
    whose asset never came is absent from every window, and no clip waits for it.
    """
    from models.precision import precision_of

    reading = reading_of(model)
    versions = view_versions(WindowSpec(tensors=reading.tensors).views, settings)
    state = rows(snapshot, "feature_state", asked(versions))
    there = {row["view"] for row in state if row["cached"]}
    unavailable = missing_assets(list(versions), settings.assets)
    views = {
        name: version
        for name, version in versions.items()
        if name in there or (there and name not in unavailable)
    }
    return Coding(
        model=model,
        views=views,
        steps=reading.steps,
        # As it was trained and judged: the smallest network is slower in bf16.
        precision=precision_of(bf16=reading.bf16),
        tensors=reading.tensors,
    )
