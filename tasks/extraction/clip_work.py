"""What extraction is asked for one clip, and what comes of it: rows of features and refusals.

Pure; workers and the driver share it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.views.catalogue import view_named
from tasks.views.packing import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog.datafile import WrittenFile
    from tasks.recordings.sources import ClipSource
    from tasks.views.view import Feature


class Due(NamedTuple):
    """One view that a clip misses: its name, version, and the digest of what it is given."""

    view: str
    version: str
    given: str


@dataclass(frozen=True, slots=True)
class ClipWork:
    """One clip of one camera and the views it misses; `pixels` are those of all its frames."""

    clip: ClipSource
    due: tuple[Due, ...]
    pixels: float = 0.0

    def refusal(self, due: Due, reason: str, detail: str, flow_run_id: str) -> dict[str, Any]:
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
            "view": due.view,
            "version": due.version,
            "start_ns": self.clip.span.start_ns,
            "end_ns": self.clip.span.end_ns,
            "frames": 0,
            "flow_run_id": flow_run_id,
            "seen_ns": time.time_ns(),
        }

    def row(self, due: Due, feature: Feature, flow_run_id: str) -> dict[str, Any]:
        """Return the row of the table `features` that holds what one view said."""
        return {
            "clip_id": self.clip.clip_id,
            "session_id": self.clip.session_id,
            "camera_id": self.clip.camera_id,
            "view": due.view,
            "version": due.version,
            "given": due.given,
            "start_ns": self.clip.span.start_ns,
            "end_ns": self.clip.span.end_ns,
            "flow_run_id": flow_run_id,
            **packed(view_named(due.view).spec, feature),
        }


@dataclass(slots=True)
class Extracted:
    """What became of one batch: files to commit, rows for quarantine, CPU seconds by stage.

    `clock` tells CPU seconds: the thread's own, to which what networks use on threads of theirs
    is lost; a caller that runs alone may give the process's.
    """

    files: list[WrittenFile] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    frames_wanted: int = 0
    frames_decoded: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.thread_time

    def add(self, stage: str, seconds: float) -> None:
        """Add CPU seconds to a stage."""
        self.cpu_seconds[stage] = self.cpu_seconds.get(stage, 0.0) + seconds

    def spent(self, stage: str, since: float) -> float:
        """Add the CPU time since `since` to a stage and return the time now."""
        now = self.clock()
        self.add(stage, now - since)
        return now
