"""Follows up to two people through a clip: where each crop comes from, who keeps which slot.

Reads the clip's pictures; writes nothing. A crop comes from the same person's last joints, so the
detector runs at a few steps only. A clip is whole when it is read: who is found late is followed
back to the clip's beginning too. Between the steps that are looked at, joints are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from tasks.pose.between import Track, joints_of, masks_of
from tasks.pose.detector import overlaps
from tasks.pose.region import aspect_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.pose.detector import Detection
    from tasks.pose.landmarks import Person
    from tasks.pose.region import Region

    Floats = npt.NDArray[np.float32]
    Bools = npt.NDArray[np.bool_]
    Pictures = npt.NDArray[np.uint8]

PEOPLE = 2
# Two boxes that share this much of their union are one person seen twice.
TWICE = 0.6
# Nor is a detection somebody new whose hips are this near to known ones, in crop sides.
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is looked at; decision 0013 has what each costs and loses.

    Joints are read at every `joints`-th present step, masks at every `masks`-th of those; the
    detector runs at every `detector`-th of them while somebody may be missing. Inside a person's
    crop a picture that differs nowhere by more than `still` levels is not read again (0: always).
    """

    joints: int = 1
    masks: int = 1
    detector: int = 1
    still: float = 0.0


@dataclass(slots=True)
class ClipPeople:
    """Who is in a clip of T steps.

    `joints` (T, 2, 33, 4) float32 as `Person.joints`, zero where nobody is; `scores` (T, 2)
    float32, 0 where nobody is; `masks` (T, 56, 56) float32, the probability that a person is
    there. `detections`, `looks` and `skipped` count what was run and what was not.
    """

    joints: Floats
    scores: Floats
    masks: Floats
    detections: int = 0
    looks: int = 0
    skipped: int = 0

    def hide(self, steps: Bools) -> None:
        """Forget what is said of some steps (T,)."""
        for array in (self.joints, self.scores, self.masks):
            array[steps] = 0

    @property
    def found(self) -> Bools:
        """(T, 2): where somebody is."""
        return np.asarray(self.scores > 0)


class Eyes(Protocol):
    """What finds and reads people: `Networks`."""

    def detect(
        self, picture: Pictures, aspect: tuple[float, float], most: int
    ) -> list[Detection]: ...

    def look(
        self, picture: Pictures, region: Region, aspect: tuple[float, float], *, mask: bool
    ) -> Person | None: ...


def find_people(
    pictures: Pictures, present: Bools, size: tuple[int, int], eyes: Eyes, pace: Pace
) -> ClipPeople:
    """Find the people of a clip in its pictures (T, S, S, 3), squashed from `size` (width, height).

    Depends on this clip alone.
    """
    steps = np.flatnonzero(present)
    # The last step is always looked at: nothing follows that it could be interpolated from.
    keys = sorted({*steps[:: pace.joints].tolist(), *steps[-1:].tolist()})
    walk = _Walk(pictures, aspect_of(size), eyes, pace, keys)
    for at in range(len(keys)):
        walk.forth(at)
    for slot, at in walk.begun:
        walk.back(slot, at)
    found = walk.result(len(pictures))
    found.hide(~present)
    return found


@dataclass
class _Walk:
    """The state of one clip: who was seen at each key step, in which slot."""

    pictures: Pictures
    aspect: tuple[float, float]
    eyes: Eyes
    pace: Pace
    keys: Sequence[int]
    seen: dict[tuple[int, int], Person] = field(default_factory=dict)  # (key, slot)
    begun: list[tuple[int, int]] = field(default_factory=list)
    breaks: set[tuple[int, int]] = field(default_factory=set)
    detections: int = 0
    looks: int = 0
    skipped: int = 0

    def forth(self, at: int) -> None:
        """Follow everybody to a key step; look for more where somebody may be missing."""
        lost = False
        for slot in range(PEOPLE):
            before = self.seen.get((at - 1, slot))
            if before is not None and not self._follow(at, slot, before, at - 1):
                lost = True
        free = [slot for slot in range(PEOPLE) if (at, slot) not in self.seen]
        if free and (lost or at % self.pace.detector == 0):
            self._detect(at, free)

    def back(self, slot: int, at: int) -> None:
        """Follow somebody who was found late towards the beginning, while the slot is free."""
        while at > 0 and (at - 1, slot) not in self.seen:
            if not self._follow(at - 1, slot, self.seen[at, slot], at):
                return
            at -= 1

    def _follow(self, at: int, slot: int, person: Person, from_at: int) -> bool:
        """Look for a person where he last was; tell whether he is there, and is not another."""
        found = self._unmoved(at, person, from_at) or self._look(at, person.region)
        others = [self.seen[at, k] for k in range(PEOPLE) if k != slot and (at, k) in self.seen]
        if found is None or any(_same(found, other) for other in others):
            return False
        self.seen[at, slot] = found
        return True

    def _detect(self, at: int, free: list[int]) -> None:
        self.detections += 1
        for detection in self.eyes.detect(self.pictures[self.keys[at]], self.aspect, PEOPLE):
            known = [self.seen[at, k] for k in range(PEOPLE) if (at, k) in self.seen]
            if not free or any(_near(detection.region, one, self.aspect) for one in known):
                continue
            found = self._look(at, detection.region)
            if found is None or any(_same(found, other) for other in known):
                continue
            slot = free.pop(0)
            self.seen[at, slot] = found
            self.begun.append((slot, at))
            if (at - 1, slot) in self.seen:
                self.breaks.add((at, slot))  # it may be somebody else

    def _look(self, at: int, region: Region) -> Person | None:
        self.looks += 1
        mask = at % self.pace.masks == 0 or at == len(self.keys) - 1
        return self.eyes.look(self.pictures[self.keys[at]], region, self.aspect, mask=mask)

    def _unmoved(self, at: int, person: Person, from_at: int) -> Person | None:
        """Return the person again if the picture around is as it was."""
        if not self.pace.still:
            return None
        side = self.pictures.shape[1]
        reach = person.region.side / 2 / np.array(self.aspect)
        middle = np.array([person.region.x, person.region.y]) / np.array(self.aspect)
        x0, y0 = np.clip((middle - reach) * side, 0, side - 8).astype(int)
        x1, y1 = np.clip((middle + reach) * side, 8, side).astype(int)
        now, then = (self.pictures[self.keys[k], y0:y1, x0:x1] for k in (at, from_at))
        # Means of 8 x 8 pixels: coding noise averages out, a moving hand does not.
        cells = (max(1, (x1 - x0) // 8), max(1, (y1 - y0) // 8))
        change = cv2.resize(cv2.absdiff(now, then), cells, interpolation=cv2.INTER_AREA)
        if change.max() > self.pace.still:
            return None
        self.skipped += 1
        return person

    def result(self, steps: int) -> ClipPeople:
        """Return what was seen, with the steps between filled in."""
        tracks = [
            Track(
                keys=[self.keys[at] for at in ats],
                people=[self.seen[at, slot] for at in ats],
                joined=[(at - 1, slot) in self.seen and (at, slot) not in self.breaks for at in ats],
            )
            for slot in range(PEOPLE)
            for ats in [[at for at in range(len(self.keys)) if (at, slot) in self.seen]]
        ]
        joints, scores = joints_of(tracks, steps)
        masks = masks_of(tracks, steps, self.aspect)
        return ClipPeople(joints, scores, masks, self.detections, self.looks, self.skipped)


def _same(one: Person, other: Person) -> bool:
    return bool(overlaps(one.box[None], other.box[None])[0, 0] > TWICE)


def _near(region: Region, person: Person, aspect: tuple[float, float]) -> bool:
    """Tell whether a region's middle is at a person's hips: a person known already."""
    hips = person.joints[23:25, :2].mean(axis=0) * aspect
    return bool(np.hypot(region.x - hips[0], region.y - hips[1]) < NEAR * person.region.side)
