"""Fades: out of one shot into black or white, and from there into the next.

Reads arrays of one unbroken stretch of frames; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.ingest.signals import Signals

    Floats = npt.NDArray[np.float32]

# A picture is flat where its contrast is below this many levels, or this share of the contrast
# that both sides reach within `AROUND` frames, and it is nearly black or nearly white.
FLAT_LEVELS, FLAT_SHARE, AROUND = 2.5, 0.22, 40
DARK, BRIGHT = 56, 200
# What fades has at least this contrast: a fade between two dark and empty shots is not seen.
CONTENT_LEVELS = 5.0
# A side of a fade takes at least so many frames, at most so many are looked at.
SIDE_FRAMES, LONGEST_SIDE = 3, 100
# No frame makes more than this share of a side's change: that would be a cut to black.
STEP_SHARE = 0.5
# Brightness and contrast approach those of the flat colour together, off by at most this share on
# average; and at least this share of all change goes one way, where motion goes both.
TOGETHER, ONE_WAY = 0.2, 0.25


@dataclass(frozen=True, slots=True)
class Fade:
    """Frames of a fade: the first and last of it, and its flattest, the middle one of several."""

    first: int
    flattest: int
    last: int


def fades(signals: Signals) -> list[Fade]:
    """Return the fades through black or white, in order.

    A recording that begins or ends flat fades from or into nothing: that parts no shots. One side
    alone is not enough either: a cut to black and a fade from it are found as the cut they hold.
    """
    flattest = signals.contrast + np.minimum(signals.brightness, 255 - signals.brightness)
    found = []
    for first, end in _flat_runs(signals):
        sides = [_side(signals, first, -1), _side(signals, end - 1, 1)]
        if None in sides:
            continue
        run = flattest[first:end]
        # Within a level all are as flat: noise does not choose.
        middle = np.flatnonzero(run <= run.min() + 1)
        out, back = (side for side in sides if side is not None)
        found.append(Fade(out, first + int(middle[len(middle) // 2]), back))
    return found


def _flat_runs(signals: Signals) -> Iterator[tuple[int, int]]:
    """Yield (first frame, first frame after) of each run of flat pictures between others."""
    contrast, brightness = signals.contrast, signals.brightness
    padded = np.pad(contrast, AROUND, mode="edge")
    windows = sliding_window_view(padded, AROUND)
    before, after = windows[: len(contrast)], windows[AROUND + 1 :]
    content = np.minimum(before.max(axis=1), after.max(axis=1))
    flat = (content > CONTENT_LEVELS) & ((brightness < DARK) | (brightness > BRIGHT))
    flat &= contrast < np.maximum(FLAT_LEVELS, FLAT_SHARE * content)
    edges = np.flatnonzero(np.diff(np.pad(flat.astype(np.int8), 1)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if first > 0 and end < len(flat):
            yield first, end


def _side(signals: Signals, start: int, step: int) -> int | None:
    """Return where a side of a fade ends that leaves the flat `start` by `step`, if it is one."""
    end = min(max(start + step * LONGEST_SIDE, -1), len(signals))
    frames = np.arange(start, end, step)
    contrast = signals.contrast[frames]
    # It goes on while contrast rises, over every two frames: one alone may be a repeated frame.
    rising = contrast[2:] > contrast[:-2] + 0.3
    falls = np.flatnonzero(~rising)
    length = int(falls[0]) + 1 if len(falls) else len(frames) - 1
    if length < SIDE_FRAMES:
        return None
    frames = frames[: length + 1]
    # `change[k]` is between frames k-1 and k: going back, that of the frame itself.
    change = signals.change[frames[1:] if step > 0 else frames[:-1]]
    brightness, contrast = signals.brightness[frames], contrast[: length + 1]
    climb, gain = brightness[-1] - brightness[0], contrast[-1] - contrast[0]
    if climb == 0 or gain <= 0 or contrast[-1] < CONTENT_LEVELS - 1:
        return None
    apart = np.abs((brightness - brightness[0]) / climb - (contrast - contrast[0]) / gain).mean()
    one_way = abs(climb) / change.sum()
    fades_evenly = change.max() < STEP_SHARE * change.sum()
    return int(frames[-1]) if fades_evenly and apart < TOGETHER and one_way > ONE_WAY else None
