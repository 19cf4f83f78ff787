"""Groups the recordings of an archive into sessions by how their files are laid out.

Reads member paths only; writes nothing. Files of one folder that are named after cameras
(`cam01.mp4`, `camera_2.mkv`, `take3_cam0_test.mp4`) share a session; any other is a session alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CAMERA = re.compile(
    r"^(?P<before>.*?[_\-. ])??"
    r"(?P<camera>(?:camera|cam|view|gopro|kinect)[_\-]?\d+)"
    r"(?P<after>[_\-. ].*)?$",
    re.IGNORECASE,
)
# Folders that only say "here is the footage": a session is named after the folder above.
_PLAIN_FOLDERS = frozenset({"videos", "video", "footage", "recordings"})
SOLE_CAMERA = "cam0"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member stands: the name of its session and the camera it was taken by."""

    session: str
    camera: str


def place_of(member: str, session: str | None = None) -> str:
    """Return where a member stands: members of unlike places never share a session.

    `session` is what a manifest says; it overrides the layout.
    """
    if session is not None:
        return f"={session}"
    # Strings, not paths: a million members would take 20 s more.
    folder, stem = _parts(member)
    named = _CAMERA.match(stem)
    return _stem(member) if named is None else _shared(folder, named)


def places(members: Iterable[str], hints: Mapping[str, Place] | None = None) -> dict[str, Place]:
    """Return each member's session and camera; `hints` are those that a manifest gives.

    Two files that would be the same camera of the same session (`cam01.mp4`, `cam01.mkv`) cannot
    both be: each is then a session alone.
    """
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    alone: list[str] = []
    for member in members:
        folder, stem = _parts(member)
        named = _CAMERA.match(stem)
        if hints and member in hints:
            groups[hints[member].session][hints[member].camera].append(member)
        elif named is None:
            alone.append(member)
        else:
            groups[_shared(folder, named)][named["camera"].lower()].append(member)
    found: dict[str, Place] = {}
    for session, cameras in groups.items():
        for camera, candidates in cameras.items():
            if len(candidates) > 1 or (len(cameras) == 1 and not hints):
                alone += candidates
            else:
                found[candidates[0]] = Place(session, camera)
    taken = Counter(_stem(member) for member in alone) + Counter(list(groups))
    for member in alone:
        # Names are for people; two that are alone in one folder may differ in their ending only.
        name = _stem(member) if taken[_stem(member)] == 1 else member
        found[member] = Place(name, SOLE_CAMERA)
    return found


def _shared(folder: str, named: re.Match[str]) -> str:
    """Return the name of the session that a file named after a camera may share with others."""
    around = [part.strip("_-. ") for part in (named["before"] or "", named["after"] or "")]
    above, _, own = folder.rpartition("/")
    folder = above if own in _PLAIN_FOLDERS else folder
    return "/".join(part for part in (folder, *around) if part) or "."


def _parts(member: str) -> tuple[str, str]:
    """Return a member's folder ("" at the top) and its name without the ending."""
    folder, _, name = member.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder, stem if dot and stem else name


def _stem(member: str) -> str:
    return "/".join(part for part in _parts(member) if part)
