"""The worker of extraction: decodes a clip once, computes every missing view of it, writes Parquet.

Runs inside a Ray actor and does not know it; reads the archive, writes files of the table
`features` that count only when the driver commits them. Returns file facts and refusals, never
frames.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from catalog.datafile import write_file
from catalog.schemas.features import FEATURES
from infra.errors import MediaError
from tasks.extraction.clip_decoding import decoded_clips
from tasks.extraction.clip_work import Extracted
from tasks.views.catalogue import VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.settings import Settings
    from tasks.extraction.clip_work import ClipWork, Due
    from tasks.views.view import DecodedClip, Feature, View


class Extractor:
    """Holds the loaded views; `run` may be called by several threads at once.

    All views are loaded here, by one thread: libraries that initialise themselves at first use
    may deadlock when two threads are first together.
    """

    def __init__(
        self,
        settings: Settings,
        flow_run_id: str,
        weights: Mapping[str, Mapping[str, str]],
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Load the views that `weights` names, each with the digests of what it is loaded with.

        `clock` is what CPU seconds are told by, see `Extracted`.
        """
        self._clock = clock
        self._settings = settings
        self._flow_run_id = flow_run_id
        self._loaded: dict[str, View] = {
            name: VIEWS[name].load(settings.assets, settings.cpus, digests)
            for name, digests in weights.items()
        }
        # Of the whole process until here: interpreter, libraries, networks.
        self._load_s = [time.process_time()]

    def run(self, batch: list[ClipWork]) -> Extracted:
        """Extract a batch of clips of one recording, in order of time."""
        found = Extracted(clock=self._clock)
        # Told once, with the first batch.
        found.cpu_seconds["load"] = self._load_s.pop() if self._load_s else 0.0
        rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        handled: set[tuple[str, Due]] = set()
        try:
            for work, decoded in decoded_clips(batch, self._settings.grid_step_ns, found):
                for due in work.due:
                    handled.add((work.clip.clip_id, due))
                    feature = self._compute(work, due, decoded, found)
                    if feature is not None:
                        since = self._clock()
                        row = work.row(due, feature, self._flow_run_id)
                        rows.setdefault((due.view, due.version), []).append(row)
                        found.spent("pack", since)
                for name, seconds in decoded.shared_s.items():
                    found.add(name, seconds)
        except MediaError as refused:
            # The rest of this recording cannot be read: what came before it is kept.
            for work in batch:
                for due in work.due:
                    if (work.clip.clip_id, due) not in handled:
                        self._refuse(work, due, refused.reason, str(refused), found)
        since = self._clock()
        for group in rows.values():
            found.files.append(write_file(FEATURES, group, self._settings.catalog))
            found.done += len(group)
        found.spent("write", since)
        return found

    def _compute(
        self, work: ClipWork, due: Due, decoded: DecodedClip, found: Extracted
    ) -> Feature | None:
        if not decoded.present.any():
            self._refuse(work, due, "no_frames", "no frame of this clip decodes", found)
            return None
        since, shared = self._clock(), sum(decoded.shared_s.values())
        try:
            feature = self._loaded[due.view].compute(decoded)
        except MemoryError:
            raise  # no fault of the clip's: it ends the run, and the next one does the clip
        except Exception as error:  # noqa: BLE001  one view's fault on one clip becomes a row
            self._refuse(work, due, "view_failed", f"{type(error).__name__}: {error}", found)
            return None
        found.spent(due.view, since)
        # What views share is counted by itself, once.
        found.add(due.view, shared - sum(decoded.shared_s.values()))
        return feature

    def _refuse(self, work: ClipWork, due: Due, reason: str, detail: str, found: Extracted) -> None:
        found.quarantine.append(work.refusal(due, reason, detail, self._flow_run_id))
