"""The worker for views of several calibrated cameras: reads stored features, writes new ones.

Runs inside a Ray actor and does not know it; reads the catalog, decodes no video, writes files of
the table `features` that count only when the driver commits them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.datafile import write_file
from catalog.query import rows
from catalog.schemas.features import FEATURES
from catalog.span import grid
from tasks.calibration import Calibration
from tasks.clip_work import Extracted
from tasks.views.catalogue import RIG_VIEWS, view_named
from tasks.views.packing import unpacked
from tasks.views.rig import RigClip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.snapshot import Snapshot
    from catalog.span import Span
    from infra.settings import Settings
    from tasks.clip_work import ClipWork, Due
    from tasks.views.rig import RigView
    from tasks.views.view import Feature


@dataclass(frozen=True, slots=True)
class RigWork:
    """One clip and its cameras that miss a view."""

    clip_id: str
    cameras: tuple[ClipWork, ...]


class RigExtractor:
    """Computes views of rigs; `run` may be called by several threads at once."""

    def __init__(
        self,
        settings: Settings,
        flow_run_id: str,
        snapshot: Snapshot,
        wanted: Mapping[str, Any],
        views: Sequence[str],
    ) -> None:
        """Take the snapshot in which the inputs are; `wanted` are the inputs' own parameters."""
        self._settings, self._flow_run_id = settings, flow_run_id
        self._snapshot, self._wanted = snapshot, dict(wanted)
        self._loaded: dict[str, RigView] = {name: RIG_VIEWS[name].load() for name in views}

    def run(self, batch: list[RigWork]) -> Extracted:
        """Compute what is due of a batch of clips."""
        found, since = Extracted(), time.thread_time()
        clips = self._clips({work.clip_id: work.cameras[0].clip.span for work in batch})
        found.spent("read", since)
        made: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for work in batch:
            rig = clips[work.clip_id]
            for view in sorted({due.view for part in work.cameras for due in part.due}):
                for part, due, feature in self._compute(work, view, rig, found):
                    row = part.row(due, feature, self._flow_run_id)
                    made.setdefault((due.view, due.version), []).append(row)
        since = time.thread_time()
        for group in made.values():
            found.files.append(write_file(FEATURES, group, self._settings.catalog))
            found.done += len(group)
        found.spent("write", since)
        return found

    def _clips(self, spans: Mapping[str, Span]) -> dict[str, RigClip]:
        """Read what the inputs say of each clip, through cameras of known size and place."""
        clip_ids = list(spans)
        rigs: dict[str, list[dict[str, Any]]] = {}
        for row in rows(self._snapshot, "clip_rigs", {"clip_ids": clip_ids}):
            rigs.setdefault(row["clip_id"], []).append(row)
        features: dict[str, dict[str, dict[str, Feature]]] = {
            clip_id: {name: {} for name in self._wanted["views"]} for clip_id in clip_ids
        }
        for row in rows(self._snapshot, "clip_features", self._wanted | {"clip_ids": clip_ids}):
            said = unpacked(view_named(row["view"]).spec, row)
            features[row["clip_id"]][row["view"]][row["camera_id"]] = said
        clips = {}
        for clip_id, cameras in rigs.items():
            sizes = {row["camera_id"]: (row["width"], row["height"]) for row in cameras}
            calibration = Calibration.from_json(cameras[0]["calibration"])
            clips[clip_id] = RigClip(
                times_ns=np.array(grid(spans[clip_id], self._settings.grid_step_ns), np.int64),
                cameras=calibration.matched(sizes),
                sizes=sizes,
                features=features[clip_id],
            )
        return clips

    def _compute(
        self, work: RigWork, view: str, rig: RigClip, found: Extracted
    ) -> list[tuple[ClipWork, Due, Feature]]:
        due = [(part, one) for part in work.cameras for one in part.due if one.view == view]
        since = time.thread_time()
        try:
            features = self._loaded[view].compute(rig)
        except Exception as error:  # noqa: BLE001  one view's fault on one clip becomes rows
            why = f"{type(error).__name__}: {error}"
            found.quarantine += [
                part.refusal(one, "view_failed", why, self._flow_run_id) for part, one in due
            ]
            return []
        found.spent(view, since)
        return [(part, one, features[part.clip.camera_id]) for part, one in due]
