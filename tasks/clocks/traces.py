"""What two cameras of one scene both notice: motion, sound, and the plane a mover lies in.

Reads the signals of a scan, a loudness envelope, calibrated cameras; writes nothing. Each is made
into a trace (see `sync_curves.py`) that does not depend on where a camera stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS
from tasks.clocks.curves import Trace, trace, without_spikes

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.ingest.signals import Signals
    from tasks.recordings.loudness import Loudness
    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]

# A frame that differs by less than this share of the change of frames that move (the upper
# quartile) is the one before, shown again; more than so many in a row are no lower frame rate but
# a scene that stands still.
REPEAT_SHARE, MAX_REPEATS = 0.02, 3
# What follows so many keyframes alike, this many standard errors from the usual, is coding.
MIN_GROUPS, CODING_ERRORS = 4, 3.0
# Where nothing moves there is noise: this share of the median is added before the logarithm, and
# so many levels a frame, below which low-rate coding leaves steps of single pixels (take of a
# person walking far off: .3 levels).
FLOOR_SHARE, STILL_CHANGE = 0.1, 0.05


def motion_trace(signals: Signals) -> Trace | None:
    """Return the log of how fast the picture changes, halfway between frames.

    People and things hurry and pause at the same instants from wherever they are seen; how much
    of a picture they fill is a factor, which the logarithm makes a shift.
    """
    change = signals.change.astype(np.float64)
    kept = _shown(change)
    times_s, steps_s = _between(signals.times_ns[kept])
    if len(steps_s) == 0:
        return None
    speed = change[kept][1:] / steps_s
    floor = FLOOR_SHARE * float(np.median(speed)) + STILL_CHANGE / float(np.median(steps_s))
    values = np.log(speed + floor)
    if signals.keys is not None:
        after = _frames_after(signals.keys)[kept][1:]
        values = _without_coding(values, after)
    return trace("motion", times_s, without_spikes(values))


def sound_trace(loudness: Loudness) -> Trace | None:
    """Return the loudness itself: whitening makes onsets of it."""
    steps = np.arange(len(loudness.values)) + 0.5
    times_s = (loudness.start_ns + loudness.step_ns * steps) / SECOND_NS
    return trace("audio", times_s, loudness.values.astype(np.float64))


def plane_traces(
    a: Signals, b: Signals, model_a: CameraModel, model_b: CameraModel
) -> tuple[Trace, Trace] | None:
    """Return in which plane through both cameras the centre of motion lies, as each sees it.

    The planes through both optical centres turn about the line between them; a point seen by both
    lies in one of them, whatever its depth, so its angle is one number that both can tell. None
    where the cameras stand at one place or too little moves.
    """
    turns = [np.array(model.rotation) for model in (model_a, model_b)]
    places = [
        -turn.T @ np.array(model.translation)
        for turn, model in zip(turns, (model_a, model_b), strict=True)
    ]
    line = places[1] - places[0]
    length = float(np.linalg.norm(line))
    if length < 1e-6 * (1 + float(np.linalg.norm(places[0]))):
        return None
    axis = line / length
    ahead = turns[0][2] + turns[1][2]
    ahead = ahead - axis * (axis @ ahead)
    if float(np.linalg.norm(ahead)) < 1e-3:  # they face each other along the line
        return None
    ahead = ahead / np.linalg.norm(ahead)
    aside = np.cross(axis, ahead)
    found = [
        _plane_trace(signals, model, ahead, aside)
        for signals, model in ((a, model_a), (b, model_b))
    ]
    return (found[0], found[1]) if found[0] and found[1] else None


def _plane_trace(
    signals: Signals, model: CameraModel, ahead: Floats, aside: Floats
) -> Trace | None:
    times_s, _ = _between(signals.times_ns)
    x = signals.centre_x[1:].astype(np.float64) * model.width - 0.5
    y = signals.centre_y[1:].astype(np.float64) * model.height - 0.5
    seen = np.isfinite(x) & np.isfinite(y)
    if seen.sum() < 2:
        return None
    pixels = np.stack([x[seen], y[seen]], axis=1)[:, None]
    flat = cv2.undistortPoints(pixels, np.array(model.matrix), np.array(model.distortion))
    rays = np.insert(np.asarray(flat, np.float64)[:, 0], 2, 1.0, axis=1) @ np.array(model.rotation)
    angles = np.unwrap(np.arctan2(rays @ aside, rays @ ahead))
    everywhere = np.interp(times_s, times_s[seen], angles)
    return trace("geometry", times_s, without_spikes(everywhere))


def _between(times_ns: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the instants halfway between frames and the steps, in seconds: (n - 1,) each."""
    return (times_ns[1:] + times_ns[:-1]) / (2 * SECOND_NS), np.diff(times_ns) / SECOND_NS


def _frames_after(keys: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return how many frames after the last keyframe each frame is: (n,)."""
    at = np.arange(len(keys))
    return at - np.maximum.accumulate(np.where(keys, at, 0))


def _without_coding(values: Floats, after: npt.NDArray[np.intp]) -> Floats:
    """Return values less what is usual so many frames after a keyframe: (n,).

    Each keyframe is coded afresh and the frames after it settle: in still scenes that is most of
    what changes, and cameras of one make do it at one rhythm. Only what stands out from chance is
    taken away: taking the mean of 12 groups of real movement away lost two sessions in three.
    """
    found = values.copy()
    usual = float(np.median(values))
    for frames in np.flatnonzero(np.bincount(after) >= MIN_GROUPS):
        same = after == frames
        by = float(np.median(values[same])) - usual
        # The deviation of a median is 1.25 times that of a mean.
        if abs(by) > CODING_ERRORS * 1.25 * float(np.std(values[same])) / np.sqrt(same.sum()):
            found[same] -= by
    return found


def _shown(change: Floats) -> npt.NDArray[np.intp]:
    """Return the frames that are not the one before shown again (webcams give 30 of 15)."""
    limit = REPEAT_SHARE * float(np.percentile(change[change > 0], 75)) if change.any() else 0.0
    same = change <= limit
    same[:1] = False
    # Runs of repeats that are too long are kept.
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
    for begin, end in edges.reshape(-1, 2):
        if end - begin > MAX_REPEATS:
            same[begin:end] = False
    return np.flatnonzero(~same)
