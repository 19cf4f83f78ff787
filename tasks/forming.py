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
from tasks.clips import Clip, Take, cut_clips
from tasks.clock import CameraClock
from tasks.layout import Place, places
from tasks.shots import find_boundaries

if TYPE_CHECKING:
    from infra.settings import Settings
    from tasks.signals import Signals

Member = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Formed:
    """One session: its cameras' takes in order of camera, its clips, and the members it came of."""

    session_id: str
    name: str
    takes: tuple[Take, ...]
    clips: tuple[Clip, ...]
    members: tuple[str, ...]

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
                    "drift_ppb": None,
                }
                for take in self.takes
            ],
            "duration_ns": max(take.whole.end_ns for take in self.takes),
            "clock_status": "sole" if len(self.takes) == 1 else "assumed",
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


def form_place(
    members: list[Member], signals: Mapping[str, Signals], settings: Settings
) -> list[Formed]:
    """Return the sessions of the members that stand in one place, in order of name.

    A file that is a copy of another, or gave no recording, belongs to none.
    """
    usable = {row["member"]: row for row in members if row["is_primary"] and row["recordings"]}
    hints = {name: hint for name, row in usable.items() if (hint := _hint(row)) is not None}
    sessions: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = defaultdict(list)
    for member, place in places(sorted(usable), hints).items():
        for found in usable[member]["recordings"]:
            # More video streams in a file are more cameras.
            camera = place.camera if found["stream"] == 0 else f"{place.camera}.{found['stream']}"
            sessions[place.session].append((camera, member, found))
    return [_formed(name, sessions[name], signals, settings) for name in sorted(sessions)]


def _hint(row: Member) -> Place | None:
    """Return the session and camera that a manifest gives; what it leaves open is the layout's."""
    said = json.loads(row["hint"] or "{}")
    if not (said.get("session") or said.get("camera")):
        return None
    layout = places([row["member"]])[row["member"]]
    camera = said["camera"] or layout.session.rpartition("/")[2]
    return Place(said["session"] or layout.session, camera)


def _formed(
    name: str,
    parts: list[tuple[str, str, Mapping[str, Any]]],
    signals: Mapping[str, Signals],
    settings: Settings,
) -> Formed:
    takes = tuple(
        _take(camera, found, signals[found["recording_id"]])
        for camera, _, found in sorted(parts, key=lambda part: part[0])
    )
    session_id = ids.session_id(
        [(t.camera, t.recording_id, t.clock.offset_ns, t.clock.drift_ppb) for t in takes]
    )
    clips = cut_clips(takes, settings.clip_max_ns, settings.clip_min_ns)
    return Formed(session_id, name, takes, tuple(clips), tuple(member for _, member, _ in parts))


def _take(camera: str, found: Mapping[str, Any], signals: Signals) -> Take:
    bad_spans = [Span(bad["start_ns"], bad["end_ns"]) for bad in found["bad_spans"]]
    return Take(
        camera=camera,
        recording_id=found["recording_id"],
        # Clocks are taken as equal until they are measured: see `clock_status`.
        clock=CameraClock(),
        duration_ns=found["duration_ns"],
        boundaries=tuple(find_boundaries(signals, bad_spans)),
        bad_spans=tuple(bad_spans),
    )
