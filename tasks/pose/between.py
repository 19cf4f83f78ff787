"""Fills the steps between those that were looked at: joints and masks of one person's track.

Pure. Joints move in straight lines from one look to the next; a mask is blended from the two
nearest in time. Where a track breaks off, or may have become somebody else, nothing is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tasks.pose.joints import JOINTS
from tasks.pose.landmarks import placed_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.pose.landmarks import Person

    Floats = npt.NDArray[np.float32]

MASK_GRID = 56


@dataclass(slots=True)
class Track:
    """One slot through a clip: the steps it was seen at, as whom, and whether `joined` to before.

    A look that is not joined is the first after nobody was seen, or perhaps somebody else. Who was
    seen at fewer than `least` looks in a row was nobody.
    """

    least: int = 1
    keys: list[int] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    joined: list[bool] = field(default_factory=list)

    def add(self, step: int, person: Person, *, joined: bool) -> None:
        """Append a look; steps grow."""
        self.keys.append(step)
        self.people.append(person)
        self.joined.append(joined)

    def runs(self) -> list[range]:
        """Return the indices of looks that belong together, in order."""
        starts = [k for k, joined in enumerate(self.joined) if not joined or k == 0]
        runs = [range(a, b) for a, b in pairwise([*starts, len(self.keys)])]
        return [run for run in runs if len(run) >= self.least]


def joints_of(tracks: Sequence[Track], steps: int) -> tuple[Floats, Floats]:
    """Return joints (T, tracks, 33, 4) and scores (T, tracks), zero where nobody is."""
    joints = np.zeros((steps, len(tracks), JOINTS, 4), np.float32)
    scores = np.zeros((steps, len(tracks)), np.float32)
    for slot, track in enumerate(tracks):
        for run in track.runs():
            keys = np.array([track.keys[k] for k in run])
            every = np.arange(keys[0], keys[-1] + 1)
            before, share = _between(keys, every)
            after = np.minimum(before + 1, len(run) - 1)
            looks = np.stack([track.people[k].joints for k in run])
            sure = np.array([track.people[k].score for k in run], np.float32)
            weight = share[:, None, None]
            joints[every, slot] = looks[before] * (1 - weight) + looks[after] * weight
            scores[every, slot] = sure[before] * (1 - share) + sure[after] * share
    return joints, scores


def masks_of(tracks: Sequence[Track], steps: int, aspect: tuple[float, float]) -> Floats:
    """Return the probability (T, 56, 56) that any of the people is there."""
    masks = np.zeros((steps, MASK_GRID, MASK_GRID), np.float32)
    for track in tracks:
        for run in track.runs():
            keys = np.array([track.keys[k] for k in run])
            people = [track.people[k] for k in run]
            looks = np.stack([placed_mask(p.mask, p.crop, aspect, MASK_GRID) for p in people])
            every = np.arange(keys[0], keys[-1] + 1)
            before, share = _between(keys, every)
            after = np.minimum(before + 1, len(keys) - 1)
            weight = share[:, None, None]
            blended = looks[before] * (1 - weight) + looks[after] * weight
            masks[every] = np.maximum(masks[every], blended)
    return masks


def _between(keys: npt.NDArray[np.int64], every: npt.NDArray[np.int64]) -> tuple[
    npt.NDArray[np.int64], Floats
]:  # fmt: skip
    """Return for each step the index of the key before it, and how far it is to the next, 0 to 1.

    Steps before the first key or after the last have the nearest.
    """
    before = np.clip(np.searchsorted(keys, every, side="right") - 1, 0, len(keys) - 1)
    after = np.minimum(before + 1, len(keys) - 1)
    span = np.maximum(keys[after] - keys[before], 1)
    return before, np.clip((every - keys[before]) / span, 0, 1).astype(np.float32)
