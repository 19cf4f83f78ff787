"""Cuts sessions into clips: spans within one shot, with the cameras that saw all of them.

Reads what a scan found (durations, cuts, bad spans); writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from catalog.span import Span, split, subtract
from tasks.ingest.shots import Boundary, shots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.clocks.clock import CameraClock


@dataclass(frozen=True, slots=True)
class Take:
    """One camera's part in a session: what it recorded, on its own clock, and that clock."""

    camera: str
    recording_id: str
    clock: CameraClock
    duration_ns: int
    boundaries: tuple[Boundary, ...] = ()
    bad_spans: tuple[Span, ...] = field(default=())

    @property
    def whole(self) -> Span:
        """All of it, on the session clock."""
        return self.clock.span_to_session(Span(0, self.duration_ns))

    @property
    def usable(self) -> list[Span]:
        """The spans that can be decoded, on the session clock."""
        whole = Span(0, self.duration_ns)
        return [self.clock.span_to_session(part) for part in subtract(whole, self.bad_spans)]

    @property
    def session_cuts_ns(self) -> list[int]:
        """What parts its shots, on the session clock."""
        return [self.clock.to_session(boundary.t_ns) for boundary in self.boundaries]

    def shots(self) -> list[tuple[Span, str]]:
        """Return each shot on the session clock, and what ends it: a boundary, damage or end."""
        kinds: dict[int, str] = {one.t_ns: one.kind for one in self.boundaries}
        kinds[self.duration_ns] = "end"
        found = []
        for shot in shots(self.duration_ns, sorted(kinds), list(self.bad_spans)):
            kind = kinds.get(shot.end_ns, "damage")
            found.append((self.clock.span_to_session(shot), kind))
        return found


@dataclass(frozen=True, slots=True)
class Clip:
    """A span of a session within one shot, and the cameras present in all of it."""

    span: Span
    cameras: tuple[str, ...]
    shot_index: int


def cut_clips(takes: Sequence[Take], max_ns: int, min_ns: int) -> list[Clip]:
    """Return the clips of a session in order of time.

    A clip never crosses a cut or a bad span of any camera that it holds. A cut in one camera
    ends the clip for all, so that the cameras of a clip always stay side by side; where a camera
    comes or goes, a new clip begins. Remainders shorter than `min_ns` give no clip.
    """
    cuts = sorted({cut for take in takes for cut in take.session_cuts_ns})
    usable = {take.camera: take.usable for take in takes}
    edges = sorted(
        {edge for spans in usable.values() for s in spans for edge in (s.start_ns, s.end_ns)}
        | set(cuts)
    )
    clips = []
    for start, end in pairwise(edges):
        stretch = Span(start, end)
        cameras = tuple(
            sorted(cam for cam, spans in usable.items() if any(s.covers(stretch) for s in spans))
        )
        if not cameras:
            continue
        shot_index = sum(cut <= start for cut in cuts)
        clips += [Clip(part, cameras, shot_index) for part in split(stretch, max_ns, min_ns)]
    return clips
