"""Joins recordings that were made at the same time by different cameras into one session.

Pure: is given sessions of one recording each and when their files claim to have been made; reads
and writes nothing. Such times are whole seconds, or those of an export, or one for a whole batch:
a wrong session is worse than none, so whatever could be read in two ways is left alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from catalog.span import Span
from tasks.sessions.layout import camera_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tasks.sessions.forming import Grouped

# So much of the longer recording, at least, the two were both running.
MIN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A session of one file, the folder and camera it came from, and when it claims it ran."""

    session: Grouped
    camera: tuple[str, str | None]
    span: Span

    def runs_with(self, other: _Candidate, max_offset_ns: int) -> bool:
        """Tell whether the two began within reach of the clock search and ran together."""
        shared = min(self.span.end_ns, other.span.end_ns) - self._later(other)
        longer = max(self.span.duration_ns, other.span.duration_ns)
        return shared >= MIN_SHARE * longer and self._apart(other) <= max_offset_ns

    def overlaps(self, other: _Candidate) -> bool:
        """Tell whether the two ran at the same instant."""
        return min(self.span.end_ns, other.span.end_ns) > self._later(other)

    def _later(self, other: _Candidate) -> int:
        return max(self.span.start_ns, other.span.start_ns)

    def _apart(self, other: _Candidate) -> int:
        return abs(self.span.start_ns - other.span.start_ns)


def join_simultaneous(sessions: Sequence[Grouped], max_offset_ns: int) -> list[Grouped]:
    """Return the sessions, those that belong together by their times made one; in order of name.

    Together are recordings of different folders (or of differently named cameras) of which each
    ran for half of the longer one with each other. A camera that claims to have made two at once
    has no times, and where a camera could take part with two recordings none is joined.
    """
    candidates = _candidates(sessions)
    groups = _groups(candidates, max_offset_ns)
    joined = {id(one.session) for group in groups for one in group}
    found = [one for one in sessions if id(one) not in joined]
    found += [_joined(group) for group in groups]
    return sorted(found, key=lambda one: one.name)


def _candidates(sessions: Iterable[Grouped]) -> list[_Candidate]:
    found = []
    for session in sessions:
        members = {member for _, member, _ in session.parts}
        facts: Mapping[str, Any] = session.parts[0][2]
        if len(members) == 1 and facts.get("created_ns") is not None:
            start, length = facts["created_ns"], facts["duration_ns"]
            (member,) = members
            found.append(_Candidate(session, camera_of(member), Span(start, start + length)))
    by_camera: dict[tuple[str, str | None], list[_Candidate]] = defaultdict(list)
    for one in found:
        by_camera[one.camera].append(one)
    untrue = {
        camera
        for camera, own in by_camera.items()
        if any(a.overlaps(b) for a, b in combinations(own, 2))
    }
    return [one for one in found if one.camera not in untrue]


def _groups(candidates: list[_Candidate], max_offset_ns: int) -> list[list[_Candidate]]:
    """Return the sets of candidates that ran with each other and with nothing else."""
    partners: dict[int, set[int]] = defaultdict(set)
    ordered = sorted(range(len(candidates)), key=lambda k: candidates[k].span.start_ns)
    for place, k in enumerate(ordered):
        for other in ordered[place + 1 :]:
            if candidates[other].span.start_ns >= candidates[k].span.end_ns:
                break
            if candidates[k].runs_with(candidates[other], max_offset_ns):
                partners[k].add(other)
                partners[other].add(k)
    found = []
    for k in sorted(partners):
        group = partners[k] | {k}
        is_closed = all(partners[other] | {other} == group for other in group)
        cameras = {candidates[other].camera for other in group}
        if k == min(group) and is_closed and len(cameras) == len(group):
            found.append([candidates[other] for other in sorted(group)])
    return found


def _joined(group: list[_Candidate]) -> Grouped:
    """Make one session of several: its name is the first one's, its cameras are by folder."""
    group = sorted(group, key=lambda one: one.session.name)
    names = [camera for _, camera in (one.camera for one in group)]
    by_name = None not in names and len(set(names)) == len(names)
    parts = []
    for one in group:
        folder, named = one.camera
        camera = (named if by_name else "/".join(part for part in (folder, named) if part)) or "top"
        for own, member, found in one.session.parts:
            # More video streams in a file are more cameras.
            stream = own.partition(".")[2]
            parts.append((f"{camera}.{stream}" if stream else camera, member, found))
    return replace(group[0].session, parts=tuple(sorted(parts, key=lambda part: part[0])))
