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
from catalog.lookup import FeatureFiles
from catalog.schemas.features import FEATURES
from catalog.span import grid
from tasks.extraction.clip_work import Extracted
from tasks.rigs.calibration import Calibration
from tasks.views.catalogue import RIG_VIEWS, view_named
from tasks.views.packing import STORED, unpacked
from tasks.views.rig import RigClip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catalog.snapshot import Snapshot
    from infra.settings import Settings
    from tasks.extraction.clip_work import ClipWork, Due
    from tasks.views.rig import RigView
    from tasks.views.view import Feature


@dataclass(frozen=True, slots=True)
class RigWork:
    """One clip of a calibrated session: the cameras that miss a view, and the sizes of all.

    `calibration` is the session's, as JSON; sizes are (width, height) in pixels as displayed.
    """

    cameras: tuple[ClipWork, ...]
    sizes: Mapping[str, tuple[int, int]]
    calibration: str

    @property
    def clip_id(self) -> str:
        """Which clip."""
        return self.cameras[0].clip.clip_id


class RigExtractor:
    """Computes views of rigs; `run` may be called by several threads at once."""

    def __init__(
        self,
        settings: Settings,
        flow_run_id: str,
        snapshot: Snapshot,
        inputs: Mapping[str, str],
        views: Sequence[str],
    ) -> None:
        """Take the snapshot in which the inputs are, each with its version.

        Inputs are views of pictures alone: nothing is given to them that could be out of date.
        """
        self._settings, self._flow_run_id = settings, flow_run_id
        self._views, self._inputs = list(inputs), FeatureFiles(snapshot, inputs)
        self._loaded: dict[str, RigView] = {name: RIG_VIEWS[name].load() for name in views}

    def run(self, batch: list[RigWork]) -> Extracted:
        """Compute what is due of a batch of clips."""
        found, since = Extracted(), time.thread_time()
        said = self._read(batch)
        since = found.spent("read", since)
        made: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for work in batch:
            clip = self._clip(work, said[work.clip_id])
            for view in sorted({due.view for part in work.cameras for due in part.due}):
                for part, due, feature in self._compute(work, view, clip, found):
                    row = part.row(due, feature, self._flow_run_id)
                    made.setdefault((due.view, due.version), []).append(row)
        since = time.thread_time()
        for group in made.values():
            found.files.append(write_file(FEATURES, group, self._settings.catalog))
            found.done += len(group)
        found.spent("write", since)
        return found

    def _read(self, batch: list[RigWork]) -> dict[str, dict[str, dict[str, Feature]]]:
        """Return what each input says of each clip, by clip, view and camera."""
        said: dict[str, dict[str, dict[str, Feature]]] = {
            work.clip_id: {view: {} for view in self._views} for work in batch
        }
        clips = {work.clip_id: work.cameras[0].clip.session_id for work in batch}
        rows = self._inputs.rows(clips, STORED)
        for row in rows.to_pylist():
            feature = unpacked(view_named(row["view"]).spec, row)
            said[row["clip_id"]][row["view"]][row["camera_id"]] = feature
        return said

    def _clip(self, work: RigWork, said: Mapping[str, Mapping[str, Feature]]) -> RigClip:
        times = grid(work.cameras[0].clip.span, self._settings.grid_step_ns)
        return RigClip(
            times_ns=np.array(times, np.int64),
            cameras=Calibration.from_json(work.calibration).matched(work.sizes),
            sizes=work.sizes,
            features=said,
        )

    def _compute(
        self, work: RigWork, view: str, clip: RigClip, found: Extracted
    ) -> list[tuple[ClipWork, Due, Feature]]:
        due = [(part, one) for part in work.cameras for one in part.due if one.view == view]
        since = time.thread_time()
        try:
            features = self._loaded[view].compute(clip)
        except MemoryError:
            raise  # no fault of the clip's: it ends the run, and the next one does the clip
        except Exception as error:  # noqa: BLE001  one view's fault on one clip becomes rows
            why = f"{type(error).__name__}: {error}"
            found.quarantine += [
                part.refusal(one, "view_failed", why, self._flow_run_id) for part, one in due
            ]
            return []
        found.spent(view, since)
        return [(part, one, features[part.clip.camera_id]) for part, one in due]
