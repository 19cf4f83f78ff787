"""Cuts and flashes: what changes a picture from one frame to the next, for good or for a moment.

Reads arrays of one unbroken stretch of frames; writes nothing. All of it is array arithmetic:
.3 us a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.ingest.signals import Signals

    Floats = npt.NDArray[np.float32]
    Marks = npt.NDArray[np.bool_]

# A cut changes the 64x36 luma by at least this much (0..255, mean absolute difference) ...
CUT_FLOOR = 10.0
# ... and either stands out this many times above every change of its neighbourhood ...
CUT_RATIO = 2.5
# ... or less, but then brightness and contrast, which a shaking or hurrying camera leaves nearly
# as they were, jump too: by this many levels, and so many times above their neighbourhood's jumps.
JUMP_CUT_RATIO, JUMP_FLOOR, JUMP_RATIO = 1.4, 8.0, 3.0
NEIGHBOURS = 6
# A flash sets in with a step of so many levels of brightness or contrast, and within so many
# frames both are back to within this share of how far they went.
FLASH_FLOOR, FLASH_FRAMES, FLASH_BACK = 10.0, 5, 0.3


def cuts(signals: Signals, lit: Marks) -> Marks:
    """Mark the first frame of every new shot, given the frames of flashes: (frames,).

    Motion and shaking change every frame, so nothing stands out there but by a jump in what they
    leave alone. Two cuts within `NEIGHBOURS` frames of each other hide one another.
    """
    change = np.where(lit, 0, signals.change)
    jump = np.zeros_like(change)
    jump[1:] = np.abs(np.diff(signals.brightness)) + np.abs(np.diff(signals.contrast))
    jump[lit] = 0
    # Below one level lies the noise of coding.
    usual, usual_jump = (np.maximum(_around(values), 1) for values in (change, jump))
    jumps = (jump > JUMP_FLOOR) & (jump > JUMP_RATIO * usual_jump)
    found = (change > CUT_FLOOR) & (
        (change > CUT_RATIO * usual) | (jumps & (change > JUMP_CUT_RATIO * usual))
    )
    # One frame is no shot, be it the stray one that some recorders start with or the last.
    found[:2] = False
    found[-1:] = False
    return found


def flashes(signals: Signals) -> Marks:
    """Mark every frame of a flash, bright or dark, and the frame after it: (frames,)."""
    levels = np.stack([signals.brightness, signals.contrast], axis=1)
    lit = np.zeros(len(levels), np.bool_)
    onsets = np.flatnonzero((np.abs(np.diff(levels, axis=0)) > FLASH_FLOOR).any(axis=1)) + 1
    for length in range(1, min(FLASH_FRAMES, len(levels) - 2) + 1):
        first = onsets[onsets + length < len(levels)]
        before = levels[first - 1]
        back = np.abs(levels[first + length] - before).max(axis=1)
        shown = levels[first[:, None] + np.arange(length)]
        away = np.abs(shown - before[:, None]).max(axis=(1, 2))
        over = first[back < FLASH_BACK * away]
        for k in range(length + 1):
            lit[over + k] = True
    return lit


def _around(values: Floats) -> Floats:
    """Return the largest value within `NEIGHBOURS` frames of each frame, itself apart."""
    padded = np.pad(values, NEIGHBOURS)
    windows = sliding_window_view(padded, NEIGHBOURS)
    before, after = windows[: len(values)], windows[NEIGHBOURS + 1 :]
    found: Floats = np.maximum(before.max(axis=1), after.max(axis=1))
    return found
