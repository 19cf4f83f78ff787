"""What one run of reindex will do: by which model, in which version, of which clips.

Reads the catalog, the registry and which assets are here; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.code_state import Wanted, code_state
from catalog.kept_keys import KeptKeys, among
from catalog.query import named, rows
from catalog.usersql import selection
from infra import registry
from infra.errors import CatalogEmptyError
from tasks.codes.coding import CodeWork, Coding, coding_by
from tasks.codes.serving import serving_of
from tasks.distiller.presets import MODEL_NAME
from tasks.views.catalogue import view_named
from tasks.windows.clip_index import indexed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalog.code_state import CodeState
    from catalog.snapshot import Snapshot
    from tasks.runs.record import FlowRun

# Clips that are Python objects at once: 2 KB each. A chunk takes 2 s of CPU at a million.
CHUNK_CLIPS = 50_000


class DueClips:
    """The clips that are to be encoded, as many as there are, read a chunk of sessions at a time.

    In order of session and time, those that `first` chooses (clip ids) before all others.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        state: CodeState,
        step_ns: int,
        first: frozenset[str] = frozenset(),
    ) -> None:
        self._snapshot, self._state, self._step_ns, self._first = snapshot, state, step_ns, first

    def __len__(self) -> int:
        """How many there are."""
        return len(self._state.due)

    @property
    def shapes(self) -> Mapping[tuple[int, int], int]:
        """How many there are of each (grid steps, cameras)."""
        return self._state.shapes

    @property
    def replaced(self) -> int:
        """How many have a code of the version that serves now."""
        return self._state.replaced

    def __iter__(self) -> Iterator[CodeWork]:
        """Yield what is to be encoded."""
        if not self._first:
            yield from self._of(self._state.sessions)
            return
        urgent = self._urgent_sessions()
        yield from (one for one in self._of(urgent) if one.clip.clip_id in self._first)
        for one in self._of(self._state.sessions):
            if one.clip.clip_id not in self._first:
                yield one

    def _urgent_sessions(self) -> dict[str, int]:
        clips = {"clip_ids": sorted(self._first)}
        found = {row["session_id"] for row in rows(self._snapshot, "sessions_of_clips", clips)}
        return {name: count for name, count in self._state.sessions.items() if name in found}

    def _of(self, sessions: Mapping[str, int]) -> Iterator[CodeWork]:
        for names in _chunks(sessions):
            found = named(self._snapshot, "session_givens", {"sessions": names})
            # Which of them are due is known: no feature and no code is read again.
            keys = found["code"].to_numpy()
            order = np.argsort(keys)
            due = np.zeros(len(keys), bool)
            due[order] = among(keys[order], self._state.due)
            ready = {row["clip_id"]: row for row in found.filter(pa.array(due)).to_pylist()}
            for clip in indexed(self._snapshot, "", self._step_ns, names):
                row = ready.get(clip.clip_id)
                if row is not None:
                    yield CodeWork(clip, row["end_ns"], row["given"])


def _chunks(sessions: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield sessions together that have some `CHUNK_CLIPS` clips to be encoded."""
    chunk: list[str] = []
    clips = 0
    for name, count in sessions.items():
        chunk.append(name)
        clips += count
        if clips >= CHUNK_CLIPS:
            yield chunk
            chunk, clips = [], 0
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """The clips without a code of this version, read from one snapshot.

    `serves` says whether the model is the champion: then its codes are to be the current ones.
    """

    coding: Coding
    snapshot: Snapshot
    work: DueClips | list[CodeWork]
    serves: bool


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
    settings, snapshot = run.settings, run.catalog.snapshot()
    if not named(snapshot, "has_clips").num_rows:
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    model = registry.resolve(settings, model_uri or f"models:/{MODEL_NAME}@champion")
    coding = coding_by(model, snapshot, settings)
    serving = serving_of(snapshot, model.name)
    features = {
        name: (version, view_named(name).spec.given) for name, version in coding.views.items()
    }
    state = code_state(
        snapshot,
        Wanted(
            model.name, coding.version, features, None if serving is None else serving["version"]
        ),
        KeptKeys(settings.state / "keys"),
        settings.grid_step_ns,
        threads=settings.cpus,
    )
    run.ledger.inputs = state.clips
    run.ledger.cached = state.cached
    run.ledger.quarantined = state.refused
    run.ledger.pending = state.pending
    if run.ledger.pending:
        run.ledger.extra["pending_until"] = "stillhouse extract"
    urgent = frozenset[str]()
    if first is not None:
        urgent = frozenset(one.clip_id for one in selection(snapshot, first))
    work = DueClips(snapshot, state, settings.grid_step_ns, urgent)
    champion = registry.champion_version(settings, model.name)
    return EncodePlan(coding, snapshot, work, model.version == champion)
