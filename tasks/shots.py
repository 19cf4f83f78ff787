"""Finds the cuts of a recording from how much each frame's luma differs from the one before.

Reads the arrays of a scan; writes nothing. The full decode at ingest makes those arrays anyway,
so shots cost no further decoding (.001 ms a frame against 8.7 ms for a detector on full frames).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import Span, subtract

if TYPE_CHECKING:
    import numpy.typing as npt

# A cut changes the 64x36 luma by at least this much (0..255, mean absolute difference) ...
CUT_FLOOR = 12.0
# ... and stands out this many times above the larger of its neighbourhood's changes, so that
# fast motion and shaking cameras, which change every frame a lot, give no cuts.
CUT_RATIO = 2.5
NEIGHBOURS = 6


def find_cuts(times_ns: npt.NDArray[np.int64], luma_change: npt.NDArray[np.float32]) -> list[int]:
    """Return the times of the first frames after each cut, in the recording's clock.

    `times_ns` and `luma_change` are (frames,); `luma_change[k]` is the mean absolute difference
    between frames k-1 and k. A flash (there and back within `NEIGHBOURS` frames) gives two large
    changes beside each other, neither of which stands out: no cut.
    """
    cuts = []
    candidates = np.flatnonzero(luma_change > CUT_FLOOR)
    for k in candidates:
        if k == 0:
            continue
        around = np.concatenate(
            [luma_change[max(1, k - NEIGHBOURS) : k], luma_change[k + 1 : k + 1 + NEIGHBOURS]]
        )
        background = float(around.max()) if around.size else 0.0
        if luma_change[k] > CUT_RATIO * max(background, 1.0):
            cuts.append(int(times_ns[k]))
    return cuts


def shots(duration_ns: int, cuts_ns: list[int], bad_spans: list[Span]) -> list[Span]:
    """Return the spans without a cut and without unusable frames, in order."""
    edges = [0, *[cut for cut in cuts_ns if 0 < cut < duration_ns], duration_ns]
    whole = [Span(a, b) for a, b in pairwise(edges) if b > a]
    return [part for shot in whole for part in subtract(shot, bad_spans)]
