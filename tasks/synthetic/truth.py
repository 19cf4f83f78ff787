"""What is true of a synthetic archive: times, cuts, clocks, flow, outlines, depth, calibration.

Reads nothing; writes the numbers as JSON where asked to. The truth of pixels is not stored: it is
computed again from the geometry of `world.py`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import numpy.typing as npt

from catalog.span import SECOND_NS
from tasks.in_place import in_place
from tasks.synthetic.world import ROOM, Camera, World

if TYPE_CHECKING:
    from collections.abc import Mapping

Pixels = npt.NDArray[np.uint8]
Begins = Literal["cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True)
class ArchiveSpec:
    """How large the archive is; the same spec gives the same bytes on the same build.

    Sizes in pixels, even; `rate` in frames a second. Takes are the sessions of several cameras,
    singles all the rest.
    """

    seed: int = 0
    rate: int = 25
    take_width: int = 240
    take_height: int = 176
    take_frames: int = 75
    single_width: int = 192
    single_height: int = 144
    single_frames: int = 50


@dataclass(frozen=True, slots=True)
class ShotTruth:
    """From which frame on a recording shows which world through which camera, and how it begins.

    With a `cut` at `first_frame`; with a `fade` that is black at `first_frame` and takes `side`
    frames to and from there; or with a `dissolve` whose middle that is, `side` frames either way.
    """

    first_frame: int
    seed: int
    camera: Camera
    begins: Begins = "cut"
    side: int = 0


@dataclass(frozen=True, slots=True)
class RecordingTruth:
    """What is true of one file. Times are on its own clock, 0 at its first frame.

    `camera_id` and `session` are what the file's place says; `offset_ns` is where its clock's 0
    stands on the session's. `rotation` is what a player turns it by, clockwise; width and
    height are as displayed. The frames `flashes` are lit to half of white. `intact` frames decode
    as they were made: fewer than all where the file was cut short. A file that is not `readable`
    has the `reason` it must be refused with.
    """

    member: str
    session: str
    camera_id: str = "cam0"
    width: int = 0
    height: int = 0
    times_ns: tuple[int, ...] = ()
    shots: tuple[ShotTruth, ...] = ()
    flashes: tuple[int, ...] = ()
    offset_ns: int = 0
    rotation: int = 0
    is_vfr: bool = False
    beeps_ns: tuple[int, ...] = ()
    intact: int = 0
    readable: bool = True
    reason: str | None = None

    @property
    def frames(self) -> int:
        """How many frames were written."""
        return len(self.times_ns)

    @property
    def cuts_ns(self) -> tuple[int, ...]:
        """When the first frame of each new shot is shown that begins with a hard cut."""
        return tuple(t_ns for t_ns, kind in self.boundaries if kind == "cut")

    @property
    def boundaries(self) -> tuple[tuple[int, str], ...]:
        """When each new shot begins, and how: with a cut, a fade, a dissolve."""
        return tuple((self.times_ns[shot.first_frame], shot.begins) for shot in self.shots[1:])

    def shot(self, frame: int) -> ShotTruth:
        """Return the shot a frame belongs to."""
        if not 0 <= frame < self.frames:
            raise IndexError(f"{self.member} has {self.frames} frames, no frame {frame}")
        return [shot for shot in self.shots if shot.first_frame <= frame][-1]


@dataclass(frozen=True)
class Truth:
    """An archive that was written, and what is true of every file in it, by member path."""

    folder: Path
    spec: ArchiveSpec
    recordings: Mapping[str, RecordingTruth]
    _worlds: dict[int, World] = field(default_factory=dict, repr=False)

    def picture_truth(self, member: str, frame: int) -> Pixels:
        """Return a frame as displayed, before it was encoded: (H, W, 3) rgb24."""
        recording = self.recordings[member]
        shot, t_ns = self._seen(member, frame)
        picture = self._world(shot).picture(shot.camera, t_ns)
        for before, after in pairwise(recording.shots):
            away = abs(frame - after.first_frame)
            if away >= after.side:
                continue
            if after.begins == "fade":
                picture = _mixed(picture, np.zeros_like(picture), 1 - away / after.side)
            else:
                other = after if shot == before else before
                share = 0.5 - away / after.side / 2
                picture = _mixed(picture, self._world(other).picture(other.camera, t_ns), share)
        if frame in recording.flashes:
            picture = _mixed(picture, np.full_like(picture, 255), 0.5)
        return picture

    def objects_truth(self, member: str, frame: int) -> npt.NDArray[np.int16]:
        """Return which object each pixel shows, from 1; 0 is the room: (H, W)."""
        shot, t_ns = self._seen(member, frame)
        return np.asarray(self._world(shot).hits(shot.camera, t_ns).ids, np.int16)

    def silhouette_truth(self, member: str, frame: int) -> npt.NDArray[np.bool_]:
        """Return where any moving object is seen: (H, W)."""
        return np.asarray(self.objects_truth(member, frame) != ROOM)

    def depth_truth(self, member: str, frame: int) -> npt.NDArray[np.float32]:
        """Return the depth along the optical axis, in the world's metres: (H, W)."""
        shot, t_ns = self._seen(member, frame)
        return np.asarray(self._world(shot).hits(shot.camera, t_ns).depth, np.float32)

    def flow_truth(self, member: str, frame: int) -> npt.NDArray[np.float32]:
        """Return where each pixel's point goes until the next frame, in pixels: (H, W, 2), x first.

        Raises:
            IndexError: if the shot has no next frame.
        """
        return self._flow(member, frame)[0]

    def visible_truth(self, member: str, frame: int) -> npt.NDArray[np.bool_]:
        """Return whose points the next frame still shows, neither hidden nor outside: (H, W).

        Raises:
            IndexError: if the shot has no next frame.
        """
        return self._flow(member, frame)[1]

    def calibration_truth(
        self, member: str, frame: int = 0
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return K (3, 3) in pixels as displayed, R (3, 3) and t (3,): x = K (R X + t)."""
        shot, t_ns = self._seen(member, frame)
        return shot.camera.intrinsics, *shot.camera.pose(t_ns / SECOND_NS)

    def _flow(
        self, member: str, frame: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        (shot, now), (after, then) = self._seen(member, frame), self._seen(member, frame + 1)
        if after != shot:
            raise IndexError(f"{member} cuts after frame {frame}: there is no flow across")
        world = self._world(shot)
        here, there = world.hits(shot.camera, now), world.hits(shot.camera, then)
        to, depth = world.follow(here, shot.camera, then)
        height, width = depth.shape
        y, x = np.mgrid[:height, :width]
        column, row = np.rint(to).astype(np.int64)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at = (np.clip(row, 0, height - 1), np.clip(column, 0, width - 1))
        # 3 %: a slanting side changes its depth within the half pixel of rounding.
        same = (there.ids[at] == here.ids) & (np.abs(there.depth[at] / depth - 1) < 0.03)
        return np.stack([to[0] - x, to[1] - y], axis=-1).astype(np.float32), inside & same

    def _seen(self, member: str, frame: int) -> tuple[ShotTruth, int]:
        """Return the shot of a frame and its time on the session's clock, in nanoseconds."""
        recording = self.recordings[member]
        return recording.shot(frame), recording.offset_ns + recording.times_ns[frame]

    def _world(self, shot: ShotTruth) -> World:
        if shot.seed not in self._worlds:
            self._worlds[shot.seed] = World(shot.seed)
        return self._worlds[shot.seed]


def _mixed(picture: Pixels, other: Pixels, share: float) -> Pixels:
    """Return the picture with a share of another in its place."""
    return np.asarray(cv2.addWeighted(picture, 1 - share, other, share, 0), np.uint8)


def write_truth_json(truth: Truth, path: Path | str) -> None:
    """Write what is true of each file, pixels apart, as JSON."""
    report = {
        "spec": asdict(truth.spec),
        "recordings": {
            member: asdict(found)
            | {
                "frames": found.frames,
                "cuts_ns": found.cuts_ns,
                "boundaries": found.boundaries,
            }
            for member, found in truth.recordings.items()
        },
    }
    with in_place(Path(path)) as partial:
        partial.write_text(json.dumps(report, indent=1), encoding="utf-8")
