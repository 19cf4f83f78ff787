"""The clock of calibrated cameras by the joints of who is in their pictures, and how sure it is.

Reads what pairs of cameras say of each lag (`joint_curves.py`); writes nothing. The lags of all
cameras, and who is who in each, are those that all pairs together hold likeliest; what is left of
the confidence is what solutions without one camera or another agree on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import erf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from tasks.clocks.joint_curves import LEAST_S, bodies, curves, most
from tasks.rigs.same_people import SLOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.clocks.joint_curves import Seen
    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

# Two cameras have one plane for each joint, whatever the lag of a third: nothing checks them.
LEAST_CAMERAS = 3
# A lag within so many steps of the likeliest one counts for it.
NEAR_STEPS = 1.5
# Lags are whole steps: what all agree on is still off by up to half of one.
LEAST_JITTER = 0.5
# Shares that make nothing less sure; of less, confidence falls in proportion. `FIT`: of what would
# be said if nothing were off. `LEAD`: by which the best lag is ahead of all that are `APART_S` or
# more away, of what it has above the worst one: who stands still agrees at every lag. Reversed in
# time or under another camera's calibration, one of the two was .41 and .30 at best (of the least
# camera); right, .71 and .45 (Pose2Sim, one person and two).
FIT, LEAD, APART_S = 0.6, 0.45, 0.15
# A best lag is none if on one side of it there is none that could be better.
INSIDE_S = 0.05
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class JointClock:
    """Offsets (V,) in seconds with camera 0 at 0, and each camera's confidence of 0..1 (V,)."""

    offsets_s: Floats
    confidence: Floats


@dataclass(frozen=True, slots=True)
class ClockWork:
    """One session for a worker: 7 s for four cameras that see two people for 6 s."""

    number: int
    cameras: tuple[CameraModel, ...]
    seen: tuple[Seen, ...]
    step_s: float
    max_offset_s: float


def tell_clock(work: ClockWork) -> JointClock:
    """Find the clock of one session; see `clock_by_joints`."""
    return clock_by_joints(work.cameras, work.seen, work.step_s, work.max_offset_s)


@dataclass(frozen=True)
class _Evidence:
    """The nats (V, V, 2, n) of camera j's lag behind camera i's, at lags from `-reach` on.

    `heard` (same) tells which lags both see enough of, `most` (V, V, 2) what nats would be if
    nothing were off.
    """

    nats: Floats
    heard: npt.NDArray[np.bool_]
    most: Floats
    reach: int

    @property
    def lags(self) -> Ints:
        """The lags (n,)."""
        return np.arange(-self.reach, self.reach + 1)

    def of(self, camera: int, others: Sequence[int], lags: Ints, names: Ints) -> Floats:
        """Return what others say of one camera's lags, under either naming of it: (2, n).

        Three pairs across see the same movements: they are no three witnesses.
        """
        named = [names[others] ^ name for name in range(SLOTS)]
        return np.stack(
            [self._across(self.nats, camera, others, lags, one) for one in named]
        ) / sqrt(len(others))

    def heard_of(self, camera: int, others: Sequence[int], lags: Ints, names: Ints) -> Floats:
        """Return how many others see enough at one camera's lags, named as it is: (n,)."""
        named = names[others] ^ names[camera]
        return self._across(self.heard.astype(np.float64), camera, others, lags, named)

    @staticmethod
    def _across(
        values: Floats, camera: int, others: Sequence[int], lags: Ints, named: Ints
    ) -> Floats:
        total = np.zeros(values.shape[-1])
        for other, name in zip(others, named, strict=True):
            total += _moved(values[other, camera, name], -int(lags[other]))
        return total


def clock_by_joints(
    cameras: Sequence[CameraModel], seen: Sequence[Seen], step_s: float, max_offset_s: float
) -> JointClock:
    """Find how far apart cameras started whose joints are given every `step_s` of their clocks.

    Raises:
        ValueError: fewer than three cameras, which nothing checks.
    """
    if len(cameras) < LEAST_CAMERAS:
        raise ValueError(f"{len(cameras)} cameras are not {LEAST_CAMERAS}")
    placed = [bodies(camera, one) for camera, one in zip(cameras, seen, strict=True)]
    longest = max(len(one.joints) for one in seen) - int(LEAST_S / step_s)
    reach = max(1, min(int(max_offset_s / step_s), longest))
    nats = np.full((len(seen), len(seen), SLOTS, 2 * reach + 1), np.nan)
    best = np.zeros(nats.shape[:3])
    for i, j in combinations(range(len(seen)), 2):
        best[i, j] = best[j, i] = most(placed[i][1], placed[j][1], step_s)
        nats[i, j] = curves(placed[i], placed[j], range(-reach, reach + 1), step_s)
        nats[j, i] = nats[i, j][:, ::-1]
    evidence, everyone = (
        _Evidence(np.nan_to_num(nats), np.isfinite(nats), best, reach),
        list(range(len(seen))),
    )
    lags, names = _solved(evidence, everyone)
    jitter = _jitter(evidence, lags)
    sure = [
        _sureness(evidence, camera, lags, names, step_s)
        * erf(NEAR_STEPS / (sqrt(2) * jitter[camera]))
        for camera in everyone
    ]
    return JointClock(-(lags - lags[0]) * step_s, np.array(sure))


def _solved(evidence: _Evidence, cameras: Sequence[int]) -> tuple[Ints, Ints]:
    """Return the likeliest lags and namings (V,) of some cameras, the others' as good as unknown.

    The surest two are joined first, then who fits best; then each is moved while that helps.
    """
    lags, names = (np.zeros(len(evidence.nats), np.int64) for _ in range(2))
    pairs = list(combinations(cameras, 2))
    first = max(pairs, key=lambda pair: float(evidence.nats[pair].max()))
    joined = [first[0]]
    while len(joined) < len(cameras):
        tried = [
            (float(evidence.of(camera, joined, lags, names).max()), -camera)
            for camera in cameras
            if camera not in joined and (len(joined) > 1 or camera == first[1])
        ]
        camera = -max(tried)[1]
        _move(evidence, camera, joined, lags, names)
        joined.append(camera)
    for _ in range(ROUNDS):
        moved = [
            _move(evidence, camera, [one for one in joined if one != camera], lags, names)
            for camera in joined
        ]
        if not any(moved):
            break
    return lags, names


def _move(evidence: _Evidence, camera: int, others: Sequence[int], lags: Ints, names: Ints) -> bool:
    """Put a camera where the others hold it likeliest; tell whether that is elsewhere."""
    total = evidence.of(camera, others, lags, names)
    name, at = np.unravel_index(int(total.argmax()), total.shape)
    now = (int(evidence.lags[at]), int(name))
    moved = now != (lags[camera], names[camera])
    lags[camera], names[camera] = now
    return moved


def _jitter(evidence: _Evidence, lags: Ints) -> Floats:
    """Return by how many steps each camera's lag differs, rms, where one other is left out."""
    off: list[list[float]] = [[] for _ in lags]
    for out in range(len(lags)):
        kept = [camera for camera in range(len(lags)) if camera != out]
        again, _ = _solved(evidence, kept)
        moved = (again - lags)[kept]
        for camera, by in zip(kept, moved - np.median(moved), strict=True):
            off[camera].append(float(by))
    return np.array([max(LEAST_JITTER, float(np.sqrt(np.mean(np.square(one))))) for one in off])


def _sureness(evidence: _Evidence, camera: int, lags: Ints, names: Ints, step_s: float) -> float:
    """Return how sure a camera's lag is, given the others'."""
    others = [one for one in range(len(lags)) if one != camera]
    total = evidence.of(camera, others, lags, names).max(axis=0)
    at = int(lags[camera]) + evidence.reach
    inside = max(2, round(INSIDE_S / step_s))
    heard = evidence.heard_of(camera, others, lags, names)
    if not inside <= at < len(total) - inside or not total[at]:
        return 0.0
    if min(heard[at - inside], heard[at + inside]) < heard[at]:
        return 0.0
    away = np.abs(evidence.lags - lags[camera])
    weight = np.exp(total - total[at])
    nothing = len(total) * float(np.exp(-min(total[at], 700.0)))
    share = float(weight[away <= NEAR_STEPS].sum()) / (float(weight.sum()) + nothing)
    rival = float(total[away > max(APART_S / step_s, NEAR_STEPS)].max(initial=0))
    floor = float(total[heard > 0].min())
    lead = (total[at] - max(rival, floor)) / max(total[at] - floor, 1e-9)
    could = sum(evidence.most[one, camera, names[one] ^ names[camera]] for one in others)
    fit = total[at] * sqrt(len(others)) / could
    return share * min(1.0, float(lead) / LEAD) * min(1.0, float(fit) / FIT)


def _moved(values: Floats, by: int) -> Floats:
    """Return values[k + by] at k, 0 beyond the ends."""
    found = np.zeros_like(values)
    low, high = max(0, -by), min(len(values), len(values) - by)
    if high > low:
        found[low:high] = values[low + by : high + by]
    return found
