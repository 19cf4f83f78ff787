"""Forms the sessions of one place: who belongs together, on which clocks, cut where.

Reads rows of `members_to_form.sql` and the signals of their recordings; writes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog import ids
from catalog.span import Span
from tasks.clocks.clock import CameraClock
from tasks.ingest.shots import find_boundaries
from tasks.sessions.clips import Clip, Take, cut_clips
from tasks.sessions.layout import Hint, places

if TYPE_CHECKING:
    from infra.settings import Settings
    from tasks.clocks.sync import MeasuredClock
    from tasks.ingest.signals import Signals
    from tasks.rigs.rig import Rig

Member = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grouped:
    """One session before its clocks are known: (camera, member, its recording) each, by camera."""

    name: str
    parts: tuple[tuple[str, str, Mapping[str, Any]], ...]

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """Who it is made of: (camera, recording) each."""
        return frozenset((camera, found["recording_id"]) for camera, _, found in self.parts)


@dataclass(frozen=True, slots=True)
class Formed:
    """One session: its cameras' takes in order of camera, its clips, and the members it came of."""

    session_id: str
    name: str
    takes: tuple[Take, ...]
    clips: tuple[Clip, ...]
    members: tuple[str, ...]
    rig: Rig

    def session_row(self) -> dict[str, Any]:
        """Return the row of `sessions`, without archive, group and split."""
        return {
            "session_id": self.session_id,
            "name": self.name,
            "cameras": [
                {
                    "camera_id": take.camera,
                    "recording_id": take.recording_id,
                    "offset_ns": take.clock.offset_ns,
                    "drift_ppb": take.clock.drift_ppb,
                    "clock_confidence": measured.confidence,
                }
                for take, measured in zip(self.takes, self.rig.clock.cameras, strict=True)
            ],
            "duration_ns": max(take.whole.end_ns for take in self.takes),
            "clock_status": self.rig.clock.status,
            "calibration": self.rig.calibration and self.rig.calibration.to_json(),
        }

    def shot_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `shots`."""
        return [
            {
                "session_id": self.session_id,
                "camera_id": take.camera,
                "recording_id": take.recording_id,
                "start_ns": shot.start_ns,
                "end_ns": shot.end_ns,
                "kind": kind,
            }
            for take in self.takes
            for shot, kind in take.shots()
        ]

    def clip_rows(self) -> list[dict[str, Any]]:
        """Return the rows of `clips`, without the split."""
        return [
            {
                "clip_id": ids.clip_id(self.session_id, clip.span),
                "session_id": self.session_id,
                "start_ns": clip.span.start_ns,
                "end_ns": clip.span.end_ns,
                "cameras": list(clip.cameras),
                "shot_index": clip.shot_index,
            }
            for clip in self.clips
        ]


def group_place(members: list[Member]) -> list[Grouped]:
    """Return the sessions of the members that stand in one place, in order of name.

    A file that is a copy of another, or gave no recording, belongs to none.
    """
    usable = {row["member"]: row for row in members if row["is_primary"] and row["recordings"]}
    hints = {name: _hint(row) for name, row in usable.items() if row["hint"]}
    sessions: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    for member, place in places(sorted(usable), hints).items():
        for found in usable[member]["recordings"]:
            # More video streams in a file are more cameras.
            camera = place.camera if found["stream"] == 0 else f"{place.camera}.{found['stream']}"
            sessions[place.session].append((camera, member, found))
    return [
        Grouped(name, tuple(sorted(sessions[name], key=lambda part: part[0])))
        for name in sorted(sessions)
    ]


def _hint(row: Member) -> Hint:
    """Return the session and camera that a manifest gives."""
    said = json.loads(row["hint"] or "{}")
    return Hint(said.get("session"), said.get("camera"))


def form(session: Grouped, rig: Rig, signals: Mapping[str, Signals], settings: Settings) -> Formed:
    """Put a session's cameras on its clock and cut it into clips; `rig` is in order of camera."""
    takes = tuple(
        _take(camera, found, signals[found["recording_id"]], measured)
        for (camera, _, found), measured in zip(session.parts, rig.clock.cameras, strict=True)
    )
    session_id = ids.session_id(
        [(t.camera, t.recording_id, t.clock.offset_ns, t.clock.drift_ppb) for t in takes]
    )
    clips = cut_clips(takes, settings.clip_max_ns, settings.clip_min_ns)
    members = tuple(member for _, member, _ in session.parts)
    return Formed(session_id, session.name, takes, tuple(clips), members, rig)


def _take(camera: str, found: Mapping[str, Any], signals: Signals, measured: MeasuredClock) -> Take:
    bad_spans = [Span(bad["start_ns"], bad["end_ns"]) for bad in found["bad_spans"]]
    return Take(
        camera=camera,
        recording_id=found["recording_id"],
        clock=CameraClock(measured.offset_ns, measured.drift_ppb),
        duration_ns=found["duration_ns"],
        boundaries=tuple(find_boundaries(signals, bad_spans)),
        bad_spans=tuple(bad_spans),
    )
