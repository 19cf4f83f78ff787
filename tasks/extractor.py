"""The worker of extraction: decodes a clip once, computes every missing view of it, writes Parquet.

Runs inside a Ray actor and does not know it; reads the archive, writes files of the table
`features` that count only when the driver commits them. Returns file facts and refusals, never
frames.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.datafile import WrittenFile, write_file
from catalog.schemas.features import FEATURES
from catalog.span import grid
from infra.errors import MediaError
from tasks.decode import Scale, sample
from tasks.views.catalogue import VIEWS
from tasks.views.view import DecodedClip, Feature, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from infra.settings import Settings
    from tasks.sources import ClipSource


@dataclass(frozen=True, slots=True)
class ClipWork:
    """One clip of one camera and the views it misses, each with its version.

    `pixels` are those of all its frames, about.
    """

    clip: ClipSource
    views: tuple[tuple[str, str], ...]
    pixels: float = 0.0

    def refusal(
        self, view: str, version: str, reason: str, detail: str, flow_run_id: str, seen_ns: int
    ) -> dict[str, Any]:
        """Return the quarantine row that says why one view of this clip could not be had."""
        return {
            "item_id": self.clip.clip_id,
            "camera_id": self.clip.camera_id,
            "kind": "clip",
            "stage": "extract",
            "reason": reason,
            "detail": detail,
            "archive_uri": self.clip.archive_uri,
            "member": self.clip.member,
            "view": view,
            "version": version,
            "start_ns": self.clip.span.start_ns,
            "end_ns": self.clip.span.end_ns,
            "frames": 0,
            "flow_run_id": flow_run_id,
            "seen_ns": seen_ns,
        }


@dataclass(slots=True)
class Extracted:
    """What became of one batch: files to commit, rows for quarantine, CPU seconds by stage."""

    files: list[WrittenFile] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    frames_wanted: int = 0
    frames_decoded: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, stage: str, since: float) -> float:
        """Add this thread's CPU time since `since` to a stage and return the time now."""
        now = time.thread_time()
        self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + now - since
        return now


class Extractor:
    """Holds the loaded views; `run` may be called by several threads at once.

    All views are loaded here, by one thread: libraries that initialise themselves at first use
    may deadlock when two threads are first together.
    """

    def __init__(self, settings: Settings, flow_run_id: str, views: Sequence[str]) -> None:
        self._settings = settings
        self._flow_run_id = flow_run_id
        self._loaded: dict[str, View] = {
            name: VIEWS[name].load(settings.assets, settings.cpus) for name in views
        }
        # Of the whole process until here: interpreter, libraries, networks.
        self._load_s = [time.process_time()]

    def run(self, batch: list[ClipWork]) -> Extracted:
        """Extract a batch of clips of one recording, in order of time."""
        found = Extracted()
        # Told once, with the first batch.
        found.cpu_seconds["load"] = self._load_s.pop() if self._load_s else 0.0
        rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        try:
            for work, decoded in self._decode(batch, found):
                for view, version in work.views:
                    row = self._compute(work, view, version, decoded, found)
                    if row is not None:
                        rows.setdefault((view, version), []).append(row)
        except MediaError as refused:
            # The rest of this recording cannot be read: what came before it is kept.
            handled = {(r["clip_id"], r["view"]) for group in rows.values() for r in group}
            handled |= {(r["item_id"], r["view"]) for r in found.quarantine}
            for work in batch:
                for view, version in work.views:
                    if (work.clip.clip_id, view) not in handled:
                        self._refuse(work, view, version, refused.reason, str(refused), found)
        since = time.thread_time()
        for group in rows.values():
            found.files.append(write_file(FEATURES, group, self._settings.catalog))
            found.done += len(group)
        found.spent("write", since)
        return found

    def _decode(
        self, batch: list[ClipWork], found: Extracted
    ) -> Iterator[tuple[ClipWork, DecodedClip]]:
        """Yield each clip with its decoded pictures: one pass over the file for the whole batch."""
        scales = _union(batch)
        step = self._settings.grid_step_ns
        grids = [np.array(grid(work.clip.span, step), np.int64) for work in batch]
        wanted = np.concatenate(
            [
                np.array([work.clip.clock.to_recording(int(t)) for t in times], np.int64)
                for times, work in zip(grids, batch, strict=True)
            ]
        )
        edges = np.cumsum([0, *[len(g) for g in grids]])
        first = batch[0].clip
        at, since = 0, time.thread_time()
        clip = _Canvas(grids[0], scales)
        for frame in sample(first.source, wanted, scales, start_pts=first.start_pts):
            for index in frame.indices:
                while index >= edges[at + 1]:
                    since = found.spent("decode", since)
                    yield batch[at], clip.close(found)
                    since, at = time.thread_time(), at + 1
                    clip = _Canvas(grids[at], scales)
                clip.put(index - edges[at], frame.images)
        while at < len(batch):
            since = found.spent("decode", since)
            yield batch[at], clip.close(found)
            since, at = time.thread_time(), at + 1
            if at < len(batch):
                clip = _Canvas(grids[at], scales)

    def _compute(
        self, work: ClipWork, view: str, version: str, decoded: DecodedClip, found: Extracted
    ) -> dict[str, Any] | None:
        if not decoded.present.any():
            self._refuse(work, view, version, "no_frames", "no frame of this clip decodes", found)
            return None
        since = time.thread_time()
        try:
            feature = self._loaded[view].compute(decoded)
        except Exception as error:  # noqa: BLE001  one view's fault on one clip becomes a row
            self._refuse(
                work, view, version, "view_failed", f"{type(error).__name__}: {error}", found
            )
            return None
        found.spent(view, since)
        return self._row(work.clip, view, version, feature)

    def _row(self, clip: ClipSource, view: str, version: str, feature: Feature) -> dict[str, Any]:
        return {
            "clip_id": clip.clip_id,
            "session_id": clip.session_id,
            "camera_id": clip.camera_id,
            "view": view,
            "version": version,
            "start_ns": clip.span.start_ns,
            "end_ns": clip.span.end_ns,
            "steps": len(feature.mask),
            "data": b"".join(np.ascontiguousarray(a).tobytes() for a in feature.arrays),
            "scales": list(feature.scales),
            "mask": np.packbits(feature.mask).tobytes(),
            "vector": None if feature.vector is None else feature.vector.tolist(),
            "flow_run_id": self._flow_run_id,
        }

    def _refuse(
        self, work: ClipWork, view: str, version: str, reason: str, detail: str, found: Extracted
    ) -> None:
        found.quarantine.append(
            work.refusal(view, version, reason, detail, self._flow_run_id, time.time_ns())
        )


class _Canvas:
    """The pictures of one clip while its frames come in."""

    def __init__(self, times_ns: npt.NDArray[np.int64], scales: tuple[Scale, ...]) -> None:
        self.times_ns = times_ns
        self.present = np.zeros(len(times_ns), bool)
        self.images: dict[str, npt.NDArray[np.uint8]] = {}
        self._scales = scales

    def put(self, index: int, images: dict[str, npt.NDArray[np.uint8]]) -> None:
        if not self.images:
            self.images = {
                name: np.zeros((len(self.times_ns), *image.shape), np.uint8)
                for name, image in images.items()
            }
        for name, image in images.items():
            self.images[name][index] = image
        self.present[index] = True

    def close(self, found: Extracted) -> DecodedClip:
        found.frames_wanted += len(self.present)
        found.frames_decoded += int(self.present.sum())
        return DecodedClip(self.times_ns, self.present, self.images)


def _union(batch: list[ClipWork]) -> tuple[Scale, ...]:
    names = {view for work in batch for view, _ in work.views}
    return tuple({s.name: s for name in sorted(names) for s in VIEWS[name].spec.scales}.values())
