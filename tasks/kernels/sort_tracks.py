"""Gives boxes ids through a clip: SORT (Bewley et al. 2016, "Simple online and realtime tracking").

Pure. Each track predicts its box with a Kalman filter of constant velocity; boxes are assigned to
tracks so that the sum of overlaps is largest (Hungarian method). A clip is whole when it is read:
tracks of too few boxes are dropped, steps between two boxes of one track are filled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tasks.kernels.overlap import overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

# Bewley et al. use .3 at 25 frames/s; a grid step is 80 ms, twice as long.
LEAST_OVERLAP = 0.2
# A track is looked for this many steps (.32 s) after it was last seen.
PATIENCE = 4
# Boxes seen fewer times are noise.
LEAST_HITS = 3

# State: middle x, y, area, width / height, and what the first three change by in a step.
_STEP = np.eye(7) + np.eye(7, k=4)
_SEEN = np.eye(4, 7)


@dataclass(slots=True)
class Track:
    """One thing through a clip: at which steps its boxes (x0, y0, x1, y1) were seen, how surely."""

    state: Floats
    spread: Floats
    steps: list[int] = field(default_factory=list)
    boxes: list[Floats] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @classmethod
    def begun(cls, box: Floats) -> Track:
        """Return a track that stands at a box; its speed is unknown."""
        seen = _as_state(box)
        # In widths: a box is known to a twentieth, its speed to half of it.
        deviation = _scale_of(seen) * np.array([0.1, 0.1, 0.2, 0.2, 0.5, 0.5, 0.5])
        return cls(np.concatenate([seen, np.zeros(3)]), np.diag(deviation**2))

    def predict(self) -> Floats:
        """Move on by a step and return the box that is expected."""
        if self.state[2] + self.state[6] <= 0:
            self.state[6] = 0.0
        self.state = _STEP @ self.state
        noise = _scale_of(self.state[:4]) * np.array([0.05, 0.05, 0.1, 0.05, 0.05, 0.05, 0.02])
        self.spread = _STEP @ self.spread @ _STEP.T + np.diag(noise**2)
        return _as_box(self.state)

    def see(self, step: int, box: Floats, score: float) -> None:
        """Take a box in."""
        seen = _as_state(box)
        if self.steps:
            noise = _scale_of(seen)[:4] * np.array([0.05, 0.05, 0.15, 0.1])
            gain = (
                self.spread
                @ _SEEN.T
                @ np.linalg.inv(_SEEN @ self.spread @ _SEEN.T + np.diag(noise**2))
            )
            self.state = self.state + gain @ (seen - _SEEN @ self.state)
            self.spread = (np.eye(7) - gain @ _SEEN) @ self.spread
        self.steps.append(step)
        self.boxes.append(box)
        self.scores.append(score)


def follow(boxes: Sequence[Floats], scores: Sequence[Floats]) -> list[Track]:
    """Follow boxes (N_t, 4) with scores (N_t,) through steps t; tracks in order of appearance."""
    from scipy.optimize import linear_sum_assignment

    going: list[Track] = []
    done: list[Track] = []
    for step, (here, sure) in enumerate(zip(boxes, scores, strict=True)):
        expected = np.array([track.predict() for track in going]).reshape(-1, 4)
        common = overlaps(expected, here)
        rows, columns = linear_sum_assignment(-common)
        taken = set()
        for row, column in zip(rows, columns, strict=True):
            if common[row, column] >= LEAST_OVERLAP:
                going[row].see(step, here[column], float(sure[column]))
                taken.add(int(column))
        for column in range(len(here)):
            if column not in taken:
                track = Track.begun(here[column])
                track.see(step, here[column], float(sure[column]))
                going.append(track)
        done += [track for track in going if step - track.steps[-1] >= PATIENCE]
        going = [track for track in going if step - track.steps[-1] < PATIENCE]
    least = min(LEAST_HITS, len(boxes))
    kept = [track for track in done + going if len(track.steps) >= least]
    return sorted(kept, key=lambda track: (track.steps[0], track.boxes[0].tolist()))


def filled(track: Track) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Return a track's steps without gaps, its boxes (N, 4) and scores (N,) between filled in."""
    steps = np.arange(track.steps[0], track.steps[-1] + 1)
    boxes = np.stack([np.interp(steps, track.steps, side) for side in np.array(track.boxes).T], 1)
    scores = np.interp(steps, track.steps, track.scores)
    for before, after in pairwise(track.steps):
        scores[before + 1 - steps[0] : after - steps[0]] /= 2  # not seen: half as sure
    return steps, boxes, scores


def _as_state(box: Floats) -> Floats:
    width, height = np.maximum(box[2:] - box[:2], 1e-4)
    return np.array([*(box[:2] + box[2:]) / 2, width * height, width / height])


def _as_box(state: Floats) -> Floats:
    width = np.sqrt(max(state[2], 1e-8) * max(state[3], 1e-2))
    half = np.array([width, max(state[2], 1e-8) / width]) / 2
    return np.concatenate([state[:2] - half, state[:2] + half])


def _scale_of(seen: Floats) -> Floats:
    """Return what a deviation of 1 is for each number of the state: sides, area, proportion."""
    side, area = np.sqrt(max(seen[2], 1e-8)), max(seen[2], 1e-8)
    return np.array([side, side, area, max(seen[3], 1e-2), side, side, area])
