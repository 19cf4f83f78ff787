"""Brings sources onto the picture that is wanted: in time to a part of a frame, and in place.

Frames in, frames and trust out; reads and writes nothing. Frames are uint8 (T, H, W, 3), trust is
float32 (T, H, W), 1 where a frame shows what was asked for and 0 where it shows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.uint8]
Trust = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

# Sides that times are compared at: noise of one pixel is averaged over a hundred.
_SMALL = 32
# A shift must fit this much better, in correlation, than none does.
_LEAST_GAIN = 0.02
# ... and must be this much: what noise alone correlates in a few frames is less.
_LEAST_FIT = 0.3
# Nearer to a whole frame than this it is taken as that frame: interpolation blurs.
_WHOLE = 0.2
# A warp must take away this share of the difference, else pictures stay as they are.
_LEAST_SHARE = 0.05
_ECC_STEPS, _ECC_SIDE = 40, 160
# Flow there and back must meet within so many pixels and a share of the way.
_AGREE_PX, _AGREE_SHARE = 1.0, 0.1


def time_shift(frames: Pixels, others: Pixels, most: int = 4) -> float:
    """Return how many frames later in `others` the same is shown, to a part of a frame.

    What changes in both is correlated at each whole shift up to `most`, and a parabola put through
    the best. 0 where nothing moves or no shift fits clearly better than none.

    Raises:
        ValueError: there are no frames.
    """
    if not len(frames) or not len(others):
        raise ValueError("a shift between no frames")
    ours, theirs = _changes(frames), _changes(others)
    reach = min(most, min(len(ours), len(theirs)) // 2)
    if reach < 1:
        return 0.0
    lags = range(-reach, reach + 1)
    fits = np.array([_likeness(ours, theirs, lag) for lag in lags])
    best = int(fits.argmax())
    unclear = best != reach and fits[best] < fits[reach] + _LEAST_GAIN
    if unclear or fits[best] < _LEAST_FIT:
        return 0.0
    if not 0 < best < len(fits) - 1:
        return float(lags[best])
    before, top, after = fits[best - 1 : best + 2]
    bend = before - 2 * top + after
    part = 0.5 * (before - after) / bend if bend < -1e-9 else 0.0
    return float(lags[best] + np.clip(part, -0.5, 0.5))


def shifted(frames: Pixels, shift: float, count: int) -> tuple[Pixels, Trust]:
    """Return `count` frames, the t-th that shown at t + `shift`; beyond the ends the last, at 0.

    Between two frames the pictures of both are warped towards each other.
    """
    whole = round(shift)
    part = shift - whole
    if abs(part) < _WHOLE:
        at = np.arange(count) + whole
        there = (at >= 0) & (at < len(frames))
        return frames[at.clip(0, len(frames) - 1)], _flat(there, frames)
    low = int(np.floor(shift))
    made, trust = [], []
    for t in range(count):
        before, after = (int(np.clip(t + low + k, 0, len(frames) - 1)) for k in (0, 1))
        inside = before == t + low and after == t + low + 1
        one, other = frames[before], frames[after]
        made.append(between(one, other, shift - low) if inside else one)
        trust.append(inside)
    return np.stack(made), _flat(np.array(trust), frames)


def between(before: Pixels, after: Pixels, part: float) -> Pixels:
    """Return the picture (H, W, 3) at a part of the way: both warped by DIS, and blended."""
    return blended(*warps_between(before, after, part), part)


def blended(one: tuple[Pixels, Trust], other: tuple[Pixels, Trust], part: float) -> Pixels:
    """Blend two pictures that were warped to a part of the way, by nearness and by trust."""
    # Where neither is trusted nearness alone decides.
    ours, theirs = (1 - part) * (one[1] + 1e-3), part * (other[1] + 1e-3)
    share = (ours / (ours + theirs))[..., None]
    return np.asarray(np.rint(one[0] * share + other[0] * (1 - share)), np.uint8)


def warps_between(
    before: Pixels, after: Pixels, part: float
) -> tuple[tuple[Pixels, Trust], tuple[Pixels, Trust]]:
    """Warp two pictures to a moment at a part of the way from one to the other.

    Dense inverse search flow (Kroeger et al. 2016) both ways, each taken as the motion through the
    wanted moment's pixels; trust is whether the two agree there.
    """
    there, back = flow(before, after), flow(after, before)
    # Motion from the wanted moment: the mean of both, seen from either end (Herbst et al. 2009).
    step_there = _at(there, -part * there)
    step_back = _at(back, -(1 - part) * back)
    apart = np.linalg.norm(step_there + step_back, axis=-1)
    size = np.linalg.norm(step_there, axis=-1) + np.linalg.norm(step_back, axis=-1)
    trust = np.asarray(apart < _AGREE_PX + _AGREE_SHARE * size, np.float32)
    motion = 0.5 * (step_there - step_back)
    one = _moved(before, -part * motion)
    other = _moved(after, (1 - part) * motion)
    return (one, trust * _inside(-part * motion)), (other, trust * _inside((1 - part) * motion))


def flow(one: Pixels, other: Pixels) -> Floats:
    """Return where each pixel of one picture is in the other, minus where it was: (H, W, 2)."""
    ours, theirs = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, other))
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    start = np.zeros((*ours.shape, 2), np.float32)
    return np.asarray(finder.calc(ours, theirs, start), np.float32)


def flowed(picture: Pixels, other: Pixels) -> tuple[Pixels, Trust]:
    """Return another picture of the scene moved onto one, and where flow there and back agree."""
    there, back = flow(picture, other), flow(other, picture)
    apart = np.linalg.norm(there + _at(back, there), axis=-1)
    size = np.linalg.norm(there, axis=-1)
    trust = np.asarray(apart < _AGREE_PX + _AGREE_SHARE * size, np.float32)
    return _moved(other, there), trust * _inside(there)


def affine_onto(frames: Sequence[Pixels], others: Sequence[Pixels]) -> Matrix | None:
    """Return the affine (2, 3) that takes pixels of `frames` to those of `others`, None if none.

    Fitted to the mean pictures (ECC, Evangelidis and Psarakis 2008), and taken only if it makes
    them more alike: a warp blurs, and damage is easily taken for a turn.
    """
    ours, theirs = (np.mean(np.stack(some), axis=0).mean(axis=-1) for some in (frames, others))
    shrink = min(1.0, _ECC_SIDE / min(ours.shape))
    small = [
        cv2.GaussianBlur(
            cv2.resize(one, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), (0, 0), 1.5
        ).astype(np.float32)
        for one in (ours, theirs)
    ]
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ECC_STEPS, 1e-5)
    turn = np.eye(2, 3, dtype=np.float32)
    try:
        for motion in (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE):
            _, turn = cv2.findTransformECC(small[0], small[1], turn, motion, stop, None, 5)
    except cv2.error:
        # It did not converge: there is nothing that they share.
        return None
    size = small[0].shape[::-1]
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(small[1], turn, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
    before, after = (_unlikeness(small[0], one) for one in (small[1], back))
    if after > (1 - _LEAST_SHARE) * before:
        return None
    found: Matrix = np.asarray(turn, np.float64)
    # Pixel centres: x + .5 is what scales.
    found[:, 2] = (found[:, 2] + found[:, :2] @ [0.5, 0.5] - 0.5) / shrink
    found[:, 2] -= found[:, :2] @ [0.5, 0.5] - 0.5
    return found


def affinely(frames: Pixels, turn: Matrix) -> tuple[Pixels, Trust]:
    """Return frames whose pixels are taken from where an affine says, and where there are any."""
    height, width = frames.shape[1:3]
    way = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    made = [
        cv2.warpAffine(one, turn, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE)
        for one in frames
    ]
    whole = np.ones((height, width), np.float32)
    way = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(whole, turn, (width, height), flags=way)
    return np.asarray(np.stack(made), np.uint8), np.repeat(there[None], len(frames), axis=0)


def by_homography(frames: Pixels, homography: Matrix) -> tuple[Pixels, Trust]:
    """Return frames whose pixels are taken from where a homography says, and where there are any.

    It maps pixels of the picture that is made to those of `frames`; both are of one size.
    """
    height, width = frames.shape[1:3]
    made = [
        cv2.warpPerspective(
            one,
            homography,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for one in frames
    ]
    there = cv2.warpPerspective(
        np.ones((height, width), np.float32),
        homography,
        (width, height),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
    )
    return np.asarray(np.stack(made), np.uint8), np.repeat(there[None], len(frames), axis=0)


def _changes(frames: Pixels) -> Floats:
    """(T, H, W, 3) -> (T, small pixels), what differs from the mean over time."""
    small = np.stack(
        [
            cv2.resize(
                cv2.cvtColor(one, cv2.COLOR_RGB2GRAY),
                (_SMALL, _SMALL),
                interpolation=cv2.INTER_AREA,
            )
            for one in frames
        ]
    ).astype(np.float32)
    return np.asarray((small - small.mean(axis=0)).reshape(len(frames), -1))


def _likeness(ours: Floats, theirs: Floats, lag: int) -> float:
    begin, end = max(0, -lag), min(len(ours), len(theirs) - lag)
    one, other = ours[begin:end], theirs[begin + lag : end + lag]
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / size if size > 1e-6 else 0.0


def _unlikeness(one: Floats, other: Floats) -> float:
    """1 - correlation: light that is dimmed or strengthened is no difference."""
    one, other = one - one.mean(), other - other.mean()
    return 1 - float((one * other).sum() / max(1e-6, np.linalg.norm(one) * np.linalg.norm(other)))


def _grid(shape: tuple[int, ...]) -> Floats:
    down, across = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([across, down], axis=-1)


def _at(field: Floats, move: Floats) -> Floats:
    place = _grid(field.shape) + move
    found = cv2.remap(field, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _moved(picture: Pixels, move: Floats) -> Pixels:
    place = _grid(picture.shape) + move
    found = cv2.remap(picture, place, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)


def _inside(move: Floats) -> Trust:
    place = _grid(move.shape) + move
    height, width = move.shape[:2]
    x, y = place[..., 0], place[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1), np.float32)


def _flat(there: npt.NDArray[np.bool_], frames: Pixels) -> Trust:
    held = there.astype(np.float32)[:, None, None]
    return np.broadcast_to(held, (len(there), *frames.shape[1:3])).copy()
