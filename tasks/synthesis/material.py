"""What synthesis learns from and is judged on: true pictures of cameras, and of rigs.

Reads the archive through `decode`; writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from infra.errors import MediaError
from tasks.decode import Scale, frames, sample
from tasks.synthesis.presets import RIG_SIDE, SIDE
from tasks.windows.pictures import WindowPictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from tasks.recordings.sources import ClipSource
    from tasks.synthesis.alignment import Pixels
    from tasks.windows.clip_index import ClipIndex

# Instants of a clip at which all cameras of a rig are looked at.
RIG_STEPS = 4


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive frames (T, H, W, 3) of one clip of one camera: the truth."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    frames: Pixels


def read_piece(clip: ClipSource, limit: int | None = None, side: int = SIDE) -> Piece:
    """Return a clip's first frames, the shorter side brought down to `side`, both sides even.

    Raises:
        MediaError: `no_frames` if none decodes.
    """
    scale = Scale("truth", *reduced(clip.size, side), "rgb24")
    found = []
    for frame in frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts):
        found.append(frame.images["truth"])
        if limit is not None and len(found) == limit:
            break
    if not found:
        raise MediaError(f"no frame of clip {clip.clip_id} decodes", reason="no_frames")
    return Piece(clip.session_id, clip.session_name, clip.clip_id, clip.camera_id, np.stack(found))


def reduced(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (width, height) with the shorter side at most `side`, and both even."""
    shrink = min(1.0, side / min(size))
    width, height = (max(16, round(one * shrink) // 2 * 2) for one in size)
    return width, height


def pieces(clips: Sequence[ClipSource], limit: int, per_session: int) -> list[Piece]:
    """Return up to `per_session` clips of each session, spread evenly over its cameras and time."""
    return [read_piece(clip, limit) for clip in spread_clips(clips, per_session)]


def spread_clips(clips: Sequence[ClipSource], per_session: int) -> list[ClipSource]:
    """Choose clips of every session, as evenly over its cameras and its time as there are."""
    sessions: dict[str, list[ClipSource]] = defaultdict(list)
    for clip in clips:
        sessions[clip.session_id].append(clip)
    found = []
    for some in sessions.values():
        at = np.unique(np.linspace(0, len(some) - 1, min(per_session, len(some))).round())
        found += [some[int(k)] for k in at]
    return found


def rig_pictures(
    clips: Iterable[ClipSource], index: Mapping[str, ClipIndex], per_session: int
) -> list[WindowPictures]:
    """Return what all cameras of rigs showed at a few instants of up to `per_session` clips.

    Pictures are squares of 112 px, as windows have them; `index` knows calibrations, by clip.
    """
    seen: dict[tuple[str, str], list[ClipSource]] = defaultdict(list)
    for clip in clips:
        seen[clip.session_id, clip.clip_id].append(clip)
    rigs: dict[str, list[list[ClipSource]]] = defaultdict(list)
    for (session, _), cameras in seen.items():
        if len(cameras) > 1:
            rigs[session].append(sorted(cameras, key=lambda one: one.camera_id))
    found = []
    for takes in rigs.values():
        takes.sort(key=lambda cameras: cameras[0].span.start_ns)
        at = np.unique(np.linspace(0, len(takes) - 1, min(per_session, len(takes))).round())
        found += [_rig(takes[int(k)], index.get(takes[int(k)][0].clip_id)) for k in at]
    return found


def _rig(cameras: Sequence[ClipSource], known: ClipIndex | None) -> WindowPictures:
    frames = np.zeros((len(cameras), RIG_STEPS, 3, RIG_SIDE, RIG_SIDE), np.uint8)
    usable = np.zeros((len(cameras), RIG_STEPS), bool)
    for k, clip in enumerate(cameras):
        for step, picture in looked_at(clip, RIG_STEPS, (RIG_SIDE, RIG_SIDE)).items():
            frames[k, step], usable[k, step] = picture.transpose(2, 0, 1), True
    names = tuple(clip.camera_id for clip in cameras)
    vectors = np.zeros((len(cameras), 12))
    there = np.zeros(len(cameras), bool)
    for k, name in enumerate(names):
        if known is not None and name in known.vectors:
            vectors[k], there[k] = known.vectors[name], True
    aspects = {} if known is None else known.aspects
    return WindowPictures(
        session_id=cameras[0].session_id,
        clip_id=cameras[0].clip_id,
        first=0,
        cameras=names,
        places=tuple(range(len(cameras))),
        frames=frames,
        usable=usable,
        vectors=vectors,
        known=there,
        aspects=np.array([aspects.get(name, 1.0) for name in names]),
    )


def looked_at(clip: ClipSource, steps: int, size: tuple[int, int]) -> dict[int, Pixels]:
    """Return the frames shown at so many instants of a clip, evenly from within, by instant."""
    span = clip.recording_span
    times = [span.start_ns + span.duration_ns * (2 * k + 1) // (2 * steps) for k in range(steps)]
    return shown_at(clip, times, size)


def shown_at(
    clip: ClipSource, times_ns: Sequence[int] | npt.NDArray[np.int64], size: tuple[int, int]
) -> dict[int, Pixels]:
    """Return the frames shown at instants of the recording's clock, by their place in `times_ns`.

    Raises:
        MediaError: the source cannot be read.
    """
    scale = Scale("shown", *size, "rgb24")
    found: dict[int, Pixels] = {}
    for frame in sample(clip.source, times_ns, (scale,), start_pts=clip.start_pts):
        found |= dict.fromkeys(frame.indices, frame.images["shown"])
    return found
