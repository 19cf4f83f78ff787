"""The footage that an edit list may cut from: sessions by name or id, and their cameras whole.

Reads the catalog; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from catalog import ids
from catalog.query import rows
from catalog.span import SECOND_NS, Span
from infra.errors import EditListInvalidError
from tasks.generation.requests import CameraSource, camera_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catalog.snapshot import Snapshot

COMMAND = 'stillhouse sql "select name, session_id, cameras from current_sessions"'


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera of a session: its whole recording as a source, and whether it has sound."""

    source: CameraSource
    has_audio: bool

    @property
    def frame_ns(self) -> int:
        """How long a frame is, 40 ms where nobody knows."""
        num, den = self.source.rate
        return SECOND_NS * den // num if num > 0 and den > 0 else 40_000_000

    def shows(self, span: Span) -> bool:
        """Whether a span of the session is in it, but for a frame at either end."""
        own = self.source.clip.span
        slack = self.frame_ns
        return own.start_ns - slack <= span.start_ns and span.end_ns <= own.end_ns + slack

    def of(self, span: Span) -> CameraSource:
        """Return a span of the session through this camera."""
        clip = self.source.clip
        clip_id = ids.clip_id(clip.session_id, span)
        return replace(self.source, clip=replace(clip, span=span, clip_id=clip_id))


@dataclass(frozen=True, slots=True)
class Session:
    """A session: its cameras by id, in order."""

    session_id: str
    name: str
    cameras: Mapping[str, Camera]

    def camera(self, name: str, wanted_by: str) -> Camera:
        """Return a camera by id.

        Raises:
            EditListInvalidError: there is none, naming the entry that wants it.
        """
        if name not in self.cameras:
            there = ", ".join(self.cameras)
            raise EditListInvalidError(
                f"Edit list: {wanted_by}: session {self.name!r} has no camera {name!r}; "
                f"it has {there}.",
                command=COMMAND,
            )
        return self.cameras[name]

    def heard_by(self, camera: str) -> str | None:
        """Return the camera whose sound goes with a camera: its own, else the first with any."""
        loud = [name for name, one in self.cameras.items() if one.has_audio]
        return camera if camera in loud else next(iter(loud), None)


class Footage:
    """The sessions of these names or ids."""

    def __init__(self, snapshot: Snapshot, names: Iterable[str]) -> None:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows(snapshot, "session_footage", {"sessions": sorted(set(names))}):
            found.setdefault(row["session_id"], []).append(row)
        self._sessions = [
            Session(key, held[0]["session_name"], {r["camera_id"]: _camera(r) for r in held})
            for key, held in found.items()
        ]

    def session(self, name: str, wanted_by: str) -> Session:
        """Return a session by id or name.

        Raises:
            EditListInvalidError: there is none, or two of this name; names the entry.
        """
        by_id = [one for one in self._sessions if one.session_id == name]
        found = by_id or [one for one in self._sessions if one.name == name]
        if len(found) != 1:
            why = "there is no session" if not found else f"{len(found)} sessions are called"
            raise EditListInvalidError(
                f"Edit list: {wanted_by}: {why} {name[:80]!r}.", command=COMMAND
            )
        return found[0]


def _camera(row: dict[str, Any]) -> Camera:
    whole = {**row, "clip_id": "", "start_ns": 0, "end_ns": 1}
    source = camera_source(whole)
    recorded = Span(0, max(1, row["duration_ns"]))
    span = source.clip.clock.span_to_session(recorded)
    return Camera(replace(source, clip=replace(source.clip, span=span)), bool(row["has_audio"]))
