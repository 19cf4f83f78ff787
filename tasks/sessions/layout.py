"""Groups the recordings of an archive into sessions by how their files are laid out.

Reads member paths, and what a manifest says of them; writes nothing. Files of one folder that are
named after cameras (`cam01.mp4`, `camera_2.mkv`, `take3_cam0_test.mp4`) share a session; any other
is a session alone. What a manifest says goes before what a name says.
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


@dataclass(frozen=True, slots=True)
class Hint:
    """What a manifest says of a member; None where it says nothing."""

    session: str | None = None
    camera: str | None = None


def place_of(member: str, hint: Hint) -> str:
    """Return where a member stands: members of unlike places never share a session."""
    # Strings, not paths: a million members would take 20 s more.
    if hint.session:
        return f"={hint.session}"
    session, _ = _laid_out(member)
    if session is None:
        session = _folder(member) if hint.camera else _stem(member)
    return session


def places(members: Iterable[str], hints: Mapping[str, Hint] | None = None) -> dict[str, Place]:
    """Return each member's session and camera; no two have both alike.

    A hinted session takes the member whatever its folder, as the hinted camera, or the one in its
    name, or its name. A hinted camera alone counts within the session that the layout gives. Two
    files that would be the same camera of the same session (`cam01.mp4`, `cam01.mkv`) cannot both
    be: each is then a session alone.
    """
    hints = hints or {}
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    told, alone = set(), []
    for member in members:
        hint = hints.get(member, Hint())
        session, camera = _laid_out(member)
        if hint.session:
            told.add(hint.session)
            session, camera = hint.session, hint.camera or camera or _parts(member)[1]
        elif hint.camera:
            session, camera = session or _folder(member), hint.camera
        if session is None or camera is None:
            alone.append(member)
        else:
            groups[session][camera].append(member)
    found: dict[str, Place] = {}
    for session, cameras in groups.items():
        for camera, candidates in cameras.items():
            # One camera is no rig, unless a manifest says that it is all there is of a session.
            if len(candidates) > 1 or (len(cameras) == 1 and session not in told):
                alone += candidates
            else:
                found[candidates[0]] = Place(session, camera)
    taken = {place.session for place in found.values()}
    stems = Counter(map(_stem, alone))
    for member in alone:
        stem = _stem(member)
        # `bikes.mp4` and `bikes.mkv` are two sessions; a name that a manifest gave is its own.
        name = stem if stems[stem] == 1 and stem not in taken else member
        found[member] = Place(name, SOLE_CAMERA)
    return found


def camera_of(member: str) -> tuple[str, str | None]:
    """Return the folder that a member lies in and the camera that its name tells, if any."""
    return _folder(member), _laid_out(member)[1]


def _laid_out(member: str) -> tuple[str | None, str | None]:
    """Return the session and the camera that a member's path names, or neither."""
    named = _CAMERA.match(_parts(member)[1])
    if named is None:
        return None, None
    around = [part.strip("_-. ") for part in (named["before"] or "", named["after"] or "")]
    parts = [part for part in (_folder(member), *around) if part]
    return "/".join(parts), named["camera"].lower()


def _folder(member: str) -> str:
    folder = _parts(member)[0]
    above, _, own = folder.rpartition("/")
    return above if own in _PLAIN_FOLDERS else folder


def _parts(member: str) -> tuple[str, str]:
    """Return a member's folder ("" at the top) and its name without the ending."""
    folder, _, name = member.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder, stem if dot and stem else name


def _stem(member: str) -> str:
    return "/".join(part for part in _parts(member) if part)
