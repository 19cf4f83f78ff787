"""Follows up to two people through a clip: where each crop comes from, who keeps which slot.

Reads the clip's pictures; writes nothing. A crop comes from the same person's last joints, so the
detector runs at a few steps only. A clip is whole when it is read: who is found late is followed
back to the clip's beginning too. Looks are some steps apart; where joints moved far from one look
to the next, the step between is looked at as well; what is left is interpolated (`between.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from tasks.kernels.overlap import overlaps
from tasks.pose.between import Track, joints_of, masks_of
from tasks.pose.region import aspect_of, halfway

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

    Everybody is looked at at every `look`-th present step, and halfway between two looks where a
    tenth of the visible joints moved farther than `moved` picture sides. The detector runs at
    every `detect`-th look while somebody may be missing. A picture that differs nowhere by more
    than `still` levels (means of 8 x 8 pixels) is not looked at again; below 0 it always is.
    """

    look: int
    moved: float
    detect: int
    still: float


# Chosen by decision 0013; and everything at every step, which it is measured against.
PACE = Pace(look=4, moved=0.02, detect=3, still=6.0)
FULL = Pace(look=1, moved=1.0, detect=1, still=-1.0)


@dataclass(frozen=True, slots=True)
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

    def __post_init__(self) -> None:
        """Refuse arrays of unequal lengths."""
        if not len(self.joints) == len(self.scores) == len(self.masks):
            raise ValueError(f"{len(self.joints)}, {len(self.scores)}, {len(self.masks)} steps")

    @property
    def found(self) -> Bools:
        """(T, 2): where somebody is."""
        return np.asarray(self.scores > 0)


class Eyes(Protocol):
    """What finds and reads people: `Networks`."""

    def detect(self, picture: Pictures, aspect: tuple[float, float], most: int) -> list[Detection]:
        """Return at most `most` people of a squashed picture (S, S, 3), the surest first."""

    def look(self, picture: Pictures, region: Region, aspect: tuple[float, float]) -> Person | None:
        """Return who is in a region of a squashed picture (S, S, 3), if anybody."""


def find_people(
    pictures: Pictures, present: Bools, size: tuple[int, int], eyes: Eyes, pace: Pace = PACE
) -> ClipPeople:
    """Find the people of a clip in its pictures (T, S, S, 3), squashed from `size` (width, height).

    Depends on this clip alone.
    """
    steps = np.flatnonzero(present).tolist()
    # The last step is always looked at: nothing follows that it could be interpolated from.
    keys = sorted({*steps[:: pace.look], *steps[-1:]})
    walk = _Walk(pictures, aspect_of(size), eyes, pace, keys)
    for at in range(len(keys)):
        walk.forth(at)
    for slot, at in walk.begun:
        walk.back(slot, at)
    tracks = [walk.track(slot, present) for slot in range(PEOPLE)]
    joints, scores = joints_of(tracks, len(pictures))
    masks = masks_of(tracks, len(pictures), walk.aspect)
    for array in (joints, scores, masks):
        array[~present] = 0
    return ClipPeople(joints, scores, masks, walk.detections, walk.looks, walk.skipped)


@dataclass
class _Walk:
    """The state of one clip: who was seen at each key step, in which slot."""

    pictures: Pictures
    aspect: tuple[float, float]
    eyes: Eyes
    pace: Pace
    keys: Sequence[int]
    seen: dict[tuple[int, int], Person] = field(default_factory=dict)  # (index of key, slot)
    begun: list[tuple[int, int]] = field(default_factory=list)  # (slot, index of key)
    breaks: set[tuple[int, int]] = field(default_factory=set)  # (index of key, slot)
    detected: int | None = None  # the step the detector ran at last
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
        due = at % self.pace.detect == 0 and not self._is_still(self.detected, self.keys[at])
        if free and (lost or due):
            self._detect(at, free)

    def back(self, slot: int, at: int) -> None:
        """Follow somebody who was found late towards the beginning, while the slot is free."""
        while at > 0 and (at - 1, slot) not in self.seen:
            if not self._follow(at - 1, slot, self.seen[at, slot], at):
                return
            at -= 1

    def track(self, slot: int, present: Bools) -> Track:
        """Return whom a slot holds, looking once more where he moved far between two looks."""
        track = Track(least=min(2, len(self.keys)))
        for at, step in enumerate(self.keys):
            person = self.seen.get((at, slot))
            if person is None:
                continue
            before = self.seen.get((at - 1, slot))
            joined = before is not None and (at, slot) not in self.breaks
            if before is not None and joined:
                between = [k for k in range(self.keys[at - 1] + 1, step) if present[k]]
                if between and _moved(before, person) > self.pace.moved:
                    middle = between[len(between) // 2]
                    found = self._look(middle, halfway(before.region, person.region))
                    if found is not None:
                        track.add(middle, found, joined=True)
            track.add(step, person, joined=joined)
        return track

    def _follow(self, at: int, slot: int, person: Person, from_at: int) -> bool:
        """Look for a person where he last was; tell whether he is there, and is not another."""
        found: Person | None = person
        if self._is_still(self.keys[from_at], self.keys[at], person.region):
            self.skipped += 1
        else:
            found = self._look(self.keys[at], person.region)
        others = [self.seen[at, k] for k in range(PEOPLE) if k != slot and (at, k) in self.seen]
        if found is None or any(_is_same(found, other) for other in others):
            return False
        self.seen[at, slot] = found
        return True

    def _detect(self, at: int, free: list[int]) -> None:
        self.detections += 1
        self.detected = self.keys[at]
        for detection in self.eyes.detect(self.pictures[self.keys[at]], self.aspect, PEOPLE):
            known = [self.seen[at, k] for k in range(PEOPLE) if (at, k) in self.seen]
            if not free or any(_is_near(detection.region, one, self.aspect) for one in known):
                continue
            found = self._look(self.keys[at], detection.region)
            if found is None or any(_is_same(found, other) for other in known):
                continue
            slot = free.pop(0)
            self.seen[at, slot] = found
            self.begun.append((slot, at))
            if (at - 1, slot) in self.seen:
                self.breaks.add((at, slot))  # it may be somebody else

    def _look(self, step: int, region: Region) -> Person | None:
        self.looks += 1
        return self.eyes.look(self.pictures[step], region, self.aspect)

    def _is_still(self, then: int | None, now: int, region: Region | None = None) -> bool:
        """Tell whether a picture is as it was, everywhere or in a person's region."""
        if then is None or self.pace.still < 0:
            return False
        side = self.pictures.shape[1]
        x0, y0, x1, y1 = 0, 0, side, side
        if region is not None:
            middle, reach = np.array([region.x, region.y]), region.side / 2
            low, high = ((middle + sign * reach) / self.aspect * side for sign in (-1, 1))
            x0, y0 = low.clip(0, side - 8).astype(int).tolist()
            x1, y1 = np.maximum(high.clip(8, side), (x0 + 8, y0 + 8)).astype(int).tolist()
        difference = cv2.absdiff(
            self.pictures[then, y0:y1, x0:x1], self.pictures[now, y0:y1, x0:x1]
        )
        # Means of 8 x 8 pixels: coding noise averages out, a moving hand does not.
        cells = ((x1 - x0) // 8, (y1 - y0) // 8)
        return bool(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA).max()
                    <= self.pace.still)  # fmt: skip


def _moved(one: Person, other: Person) -> float:
    """Return how far, in picture sides, a tenth of the joints seen in both moved or farther."""
    seen = np.minimum(one.joints[:, 3], other.joints[:, 3]) > 0.5
    far = np.abs(one.joints[seen, :2] - other.joints[seen, :2]).max(axis=1, initial=0.0)
    return float(np.quantile(far, 0.9)) if len(far) else 0.0


def _is_same(one: Person, other: Person) -> bool:
    return bool(overlaps(one.box[None], other.box[None])[0, 0] > TWICE)


def _is_near(region: Region, person: Person, aspect: tuple[float, float]) -> bool:
    """Tell whether a region's middle is at a person's hips: a person known already."""
    hips = person.joints[23:25, :2].mean(axis=0) * aspect
    return bool(np.hypot(region.x - hips[0], region.y - hips[1]) < NEAR * person.region.side)
