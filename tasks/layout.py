"""Groups the recordings of an archive into sessions by how their files are laid out.

Reads member paths only; writes nothing. Files of one folder that are named after cameras
(`cam01.mp4`, `camera_2.mkv`, `take3_cam0_test.mp4`) share a session; any other is a session alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def places(members: Iterable[str]) -> dict[str, Place]:
    """Return each member's session and camera.

    Two files that would be the same camera of the same session (`cam01.mp4`, `cam01.mkv`) cannot
    both be: each is then a session alone.
    """
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    found: dict[str, Place] = {}
    for member in members:
        path = PurePosixPath(member)
        named = _CAMERA.match(path.stem)
        if named is None:
            found[member] = _alone(path)
            continue
        around = [part.strip("_-. ") for part in (named["before"] or "", named["after"] or "")]
        folder = path.parent.parent if path.parent.name in _PLAIN_FOLDERS else path.parent
        session = "/".join(part for part in (str(folder), *around) if part not in ("", "."))
        groups[session][named["camera"].lower()].append(member)
    for session, cameras in groups.items():
        for camera, candidates in cameras.items():
            for member in candidates:
                sole = len(candidates) > 1 or len(cameras) == 1
                found[member] = _alone(PurePosixPath(member)) if sole else Place(session, camera)
    return found


def _alone(path: PurePosixPath) -> Place:
    return Place(str(path.with_suffix("")), SOLE_CAMERA)
