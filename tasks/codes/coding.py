"""How clips are encoded, and what is to be encoded of one: what driver and workers share.

Reads the catalog, the registry and which assets are here; writes nothing. Workers import it, so it
needs no Prefect (1.6 s of CPU).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog.ids import digest
from catalog.kept_keys import partition_files
from catalog.schemas.features import FEATURES
from tasks.codes.presets import reading_of
from tasks.views.current import missing_assets, view_versions
from tasks.views.version import own_source
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from catalog.snapshot import Snapshot
    from infra.registry import ModelVersion
    from infra.settings import Settings
    from models.precision import Precision
    from tasks.windows.clip_index import ClipIndex

STAGE = "reindex"
# What of our source can change a code besides the network, whose version stands in its files, and
# the views, which have versions of their own.
SOURCES = (
    "tasks.windows.clip_index",
    "tasks.windows.clip_windows",
    "tasks.codes.encoding",
    "tasks.windows.tensors",
)


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


def coding_by(model: ModelVersion, snapshot: Snapshot, settings: Settings) -> Coding:
    """Return how a model encodes the clips of a snapshot here.

    Of the views that windows can have, those count that can be extracted here or have been: one
    whose asset never came is absent from every window, and no clip waits for it.
    """
    from models.precision import precision_of

    reading = reading_of(model)
    versions = view_versions(WindowSpec(tensors=reading.tensors).views, settings)
    there = {
        name
        for name, version in versions.items()
        if partition_files(snapshot, FEATURES, {"view": name, "version": version})
    }
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
