"""What goes wrong in time with one camera: it freezes, shows few frames, or loses some.

Numbers of frames in, which frame each shows out. What a frame shows depends on the numbers alone:
if the frame that should be held is not among those given, the first of them is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.damage.footage import Damaged

if TYPE_CHECKING:
    from tasks.damage.footage import Footage, Pixels

# Time is cut into so many frames; of each a share is frozen.
RUN = 8


def freeze(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Show one frame for that share of every `RUN` frames; whoever looks cannot tell it is old."""
    start = int(footage.of_camera("freeze").integers(RUN))
    held = round(level * RUN)
    shown = []
    for number in footage.numbers:
        into = (number + start) % RUN
        shown.append(number - into if into <= held else number)
    return _holding(frames, shown, footage)


def sampling(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Show every so manyth frame, and hold it until the next."""
    every = round(level)
    return _holding(frames, [number // every * every for number in footage.numbers], footage)


def frame_drop(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Lose that share of the frames, each by chance; it is known which. Pixels stay as they are."""
    drawn = [footage.of_frame(k, "frame_drop").random() for k in range(len(frames))]
    return Damaged(frames, np.array(drawn) >= level)


def held(damaged: Damaged) -> Pixels:
    """Return frames as a player shows them: of those that are lost, the last one before.

    Before the first that is there, that one is shown; where none is, they stay as they are.
    """
    at = np.flatnonzero(damaged.usable)
    if not len(at):
        return damaged.frames
    last = np.searchsorted(at, np.arange(len(damaged.frames)), side="right") - 1
    return np.asarray(damaged.frames[at[last.clip(0)]])


def _holding(frames: Pixels, shown: list[int], footage: Footage) -> Damaged:
    order = np.argsort(footage.numbers)
    numbers = np.array(footage.numbers)[order]
    # The last frame not after the one that is held; the first where there is none.
    at = (np.searchsorted(numbers, shown, side="right") - 1).clip(0)
    return Damaged(frames[order[at]], np.ones(len(frames), bool))
