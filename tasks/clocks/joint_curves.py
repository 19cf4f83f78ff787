"""How well the joints that two calibrated cameras see agree, at each offset between their clocks.

Reads and writes nothing. A joint seen by two cameras lies in one plane with both optical centres;
the angle between the planes that each puts it in, as it is seen from the camera, is the residual.
What each side takes for a joint differs by some centimetres for as long as it is seen: per joint
this bias is given to the fit at a price, and what is left must vanish at every instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tasks.rigs.same_people import SLOTS
from tasks.rigs.triangulate import undistorted
from tasks.views.skeleton3d import camera_pixels

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]

# Nose, shoulders to wrists, hips to toes: hands and faces are the wrist and the nose again.
USED = np.r_[0, 11:17, 23:33]
# The same of the other side of the body: seen from behind or the side, a network takes left for
# right for many frames on end (Pose2Sim, take 1, camera 2: in a third of all).
MIRRORED = np.array([0, 12, 11, 14, 13, 16, 15, 24, 23, 26, 25, 28, 27, 30, 29, 32, 31])
# By so much, in radians, the other side must fit better to be taken.
MIRROR_GAIN = 0.002
# Radians: how far a joint is off by itself, and for as long as it is seen; what is off by more
# than `CAP` deviations counts as that.
NOISE, BIAS, CAP = 0.006, 0.006, 3.0
# Residuals are alike for so long, and the joints of one limb all the time: what is independent.
MEMORY_S, LIMBS = 1 / 6, 6
# The mean square (in deviations) of what has nothing to do with each other is 5 to 8.
CHANCE = 5.0
# Fewer seconds that both see, or than this share of what the shorter sees, say nothing.
LEAST_S, LEAST_SHARE = 0.75, 0.5
VISIBLE = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """Joints of up to two people, (T, 2, 33, 4) as `ClipPeople.joints`, at even steps of time.

    `size` is the picture's (width, height). Zero where nobody is.
    """

    joints: Floats
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Body:
    """The rays (T, 17, 3) of one slot's joints on either side, and where they are visible."""

    rays: Floats
    visible: npt.NDArray[np.bool_]
    mirrored: Floats
    mirrored_visible: npt.NDArray[np.bool_]


def bodies(camera: CameraModel, seen: Seen) -> tuple[Floats, list[Body]]:
    """Return where a camera stands (3,) and what each slot holds."""
    turn = np.array(camera.rotation)
    pixels = camera_pixels(camera, seen.joints[..., :2].astype(np.float64), seen.size)
    flat = undistorted(camera, pixels.reshape(-1, 2))
    ways = np.column_stack([flat, np.ones(len(flat))]) @ turn
    ways = (ways / np.linalg.norm(ways, axis=1, keepdims=True)).reshape(*pixels.shape[:3], 3)
    sure = seen.joints[..., 3] > VISIBLE
    return -turn.T @ np.array(camera.translation), [
        Body(
            ways[:, slot][:, USED],
            sure[:, slot][:, USED],
            ways[:, slot][:, MIRRORED],
            sure[:, slot][:, MIRRORED],
        )
        for slot in range(SLOTS)
    ]


def curves(
    one: tuple[Floats, list[Body]], other: tuple[Floats, list[Body]], lags: range, step_s: float
) -> Floats:
    """Return the nats of each lag over chance, under either naming of the second's slots: (2, n).

    At lag s the step t of the first is the step t + s of the second. 0 where it is no better than
    chance, nan where too little is seen by both.
    """
    apart = other[0] - one[0]
    length = float(np.linalg.norm(apart))
    if length == 0:
        return np.full((SLOTS, len(lags)), np.nan)
    parts = np.full((SLOTS, SLOTS, len(lags)), np.nan)
    for a, b in product(range(SLOTS), repeat=2):
        parts[a ^ b, a] = _curve(one[1][a], other[1][b], apart / length, lags, step_s)
    return np.where(np.isnan(parts).all(axis=1), np.nan, np.nansum(parts, axis=1))


def most(one: list[Body], other: list[Body], step_s: float) -> Floats:
    """Return the nats of lags at which nothing would be off, under either naming: (2,)."""
    found = np.zeros(SLOTS)
    for a, b in product(range(SLOTS), repeat=2):
        found[a ^ b] += CHANCE * _samples(one[a], other[b], step_s) / 2
    return found


def _samples(one: Body, other: Body, step_s: float) -> float:
    """Return how many independent residuals two bodies can give."""
    shown_s = min(float(body.visible.any(axis=1).sum()) * step_s for body in (one, other))
    return LIMBS * shown_s / MEMORY_S if shown_s >= LEAST_S else 0.0


def _curve(one: Body, other: Body, axis: Floats, lags: range, step_s: float) -> Floats:
    found = np.full(len(lags), np.nan)
    independent = _samples(one, other, step_s)
    if not independent:
        return found
    least = max(LEAST_S, LEAST_SHARE * independent * MEMORY_S / LIMBS) / step_s
    here = _planes(one.rays, axis)
    there = [_planes(rays, axis) for rays in (other.rays, other.mirrored)]
    sure = (other.visible, other.mirrored_visible)
    for at, lag in enumerate(lags):
        low, high = max(0, -lag), min(len(one.rays), len(other.rays) - lag)
        mine, its = slice(low, high), slice(low + lag, high + lag)
        if high - low < least:
            continue
        off, both = zip(
            *[
                (_residuals(here, planes, mine, its), one.visible[mine] & known[its])
                for planes, known in zip(there, sure, strict=True)
            ],
            strict=True,
        )
        if both[0].any(axis=1).sum() >= least:
            square = _mean_square(np.stack(off), np.stack(both), step_s)
            found[at] = max(0.0, CHANCE - square) * independent / 2
    return found


def _planes(rays: Floats, axis: Floats) -> tuple[Floats, Floats]:
    """Return the angles (T, J) of planes through an axis and rays, and the rays' sines to it."""
    helper = np.eye(3)[int(np.abs(axis).argmin())]
    first = np.cross(axis, helper)
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    x, y = rays @ first, rays @ second
    return np.arctan2(y, x), np.hypot(x, y)


def _residuals(
    here: tuple[Floats, Floats], there: tuple[Floats, Floats], mine: slice, its: slice
) -> Floats:
    """Return the angles between planes, as seen from the cameras, both together (T, J)."""
    turned = there[0][its] - here[0][mine]
    turned = (turned + np.pi) % (2 * np.pi) - np.pi
    a, b = here[1][mine], there[1][its]
    return np.asarray(turned * a * b / np.maximum(np.hypot(a, b), 1e-6))


def _mean_square(off: Floats, both: npt.NDArray[np.bool_], step_s: float) -> float:
    """Return the mean square of residuals (2, T, J) in deviations, of the side that fits better."""
    bounded = np.where(both, np.minimum(np.abs(off), CAP * (NOISE + BIAS)), 0)
    means = bounded.sum(axis=2) / np.maximum(both.sum(axis=2), 1)
    mirror = (means[1] < means[0] - MIRROR_GAIN)[:, None]
    residual, known = np.where(mirror, off[1], off[0]), np.where(mirror, both[1], both[0])
    count = known.sum(axis=0)
    bias = np.zeros(residual.shape[1])
    some = count > 0
    masked = np.where(known, residual, np.nan)[:, some]
    bias[some] = np.nanmedian(masked, axis=0)
    square = np.where(known, np.minimum(((residual - bias) / NOISE) ** 2, CAP**2), 0).sum(axis=0)
    samples = count * step_s / MEMORY_S
    price = np.minimum(bias**2, (CAP * BIAS) ** 2) / (NOISE**2 + np.maximum(samples, 1) * BIAS**2)
    return float((square * step_s / MEMORY_S + samples * price).sum() / max(samples.sum(), 1e-9))
