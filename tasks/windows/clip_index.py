"""The clips that windows are cut from: their cameras, their steps, and where `later` begins.

Reads the catalog; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from catalog.query import rows
from tasks.rigs.calibration import Calibration
from tasks.windows.tensors import camera_vector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from catalog.snapshot import Snapshot
    from tasks.windows.tensors import Tensor

# Of a session of several cameras, what follows this share of its time is not trained on where
# windows are asked for `earlier`: the same rig at another time. Of one camera all is trained on.
EARLIER = 0.7


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """One clip: its cameras in order of name, the instant of its first step, its steps.

    Of calibrated cameras `vectors` are what a net is told and `aspects` width / height.
    """

    clip_id: str
    session_id: str
    start_ns: int
    steps: int
    cameras: tuple[str, ...]
    vectors: Mapping[str, Tensor] = field(repr=False)
    givens: tuple[tuple[str, Mapping[str, str]], ...] = field(repr=False)
    aspects: Mapping[str, float] = field(default_factory=dict, repr=False)


def indexed(
    snapshot: Snapshot, split: str, step_ns: int, sessions: Collection[str] | None = None
) -> list[ClipIndex]:
    """Return the clips of a split, or of exactly these sessions, in order of session and time."""
    clips: list[ClipIndex] = []
    rigs: dict[str, Calibration] = {}
    for (session_id, clip_id), group in groupby(
        rows(
            snapshot,
            "window_index",
            {"split": split, "sessions": None if sessions is None else sorted(sessions)},
        ),
        key=lambda row: (row["session_id"], row["clip_id"]),
    ):
        cameras = list(group)
        names = tuple(row["camera_id"] for row in cameras)
        first = cameras[0]
        models = {}
        if first["calibration"] is not None:
            if session_id not in rigs:
                rigs[session_id] = Calibration.from_json(first["calibration"])
            models = rigs[session_id].matched(names)
        clips.append(
            ClipIndex(
                clip_id=clip_id,
                session_id=session_id,
                start_ns=first["start_ns"],
                steps=-(-(first["end_ns"] - first["start_ns"]) // step_ns),
                cameras=names,
                vectors={name: camera_vector(model) for name, model in models.items()},
                givens=tuple((row["camera_id"], dict(row["givens"])) for row in cameras),
                aspects={name: model.width / model.height for name, model in models.items()},
            )
        )
    return clips


def turns_of(clips: Iterable[ClipIndex], step_ns: int) -> dict[str, int]:
    """Return at which step of each clip `later` begins; past its end for one camera."""
    spans: dict[str, tuple[int, int]] = {}
    for clip in clips:
        start, end = spans.get(clip.session_id, (clip.start_ns, 0))
        spans[clip.session_id] = start, max(end, clip.start_ns + clip.steps * step_ns)
    turns = {}
    for clip in clips:
        start, end = spans[clip.session_id]
        turn = int(start + EARLIER * (end - start) - clip.start_ns) // step_ns
        # Windows are whole: one that ends with the clip may begin at any step before.
        turns[clip.clip_id] = turn if len(clip.cameras) > 1 else clip.steps + (1 << 30)
    return turns
