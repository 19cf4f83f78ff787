"""Where the shots of a recording begin and end: cuts, fades and dissolves, told from flashes.

Reads what a scan noted of every frame; writes nothing. The full decode at ingest makes those
numbers anyway, so shots cost no further decoding. Why so: `infra/decisions/0008-shots.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from catalog.span import Span, merge, subtract
from tasks.ingest.cuts import cuts, flashes
from tasks.ingest.dissolves import dissolves
from tasks.ingest.fades import fades

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tasks.ingest.signals import Signals

Kind = Literal["cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True, order=True)
class Boundary:
    """What parts two shots, on the recording clock.

    `t_ns` is when the first frame of the new shot is shown (cut), the flattest one (fade), the
    middle one (dissolve).
    """

    t_ns: int
    kind: Kind


def find_boundaries(signals: Signals, bad_spans: Sequence[Span] = ()) -> list[Boundary]:
    """Return what parts the shots of a recording, in order of time, each instant once.

    A flash of up to five frames parts nothing, nor do motion, a shaking camera or damage: frames
    within `bad_spans` and the step across them are not looked at.
    """
    found = []
    for stretch in _stretches(signals, bad_spans):
        for frame, kind in _boundaries(stretch):
            found.append(Boundary(int(stretch.times_ns[frame]), kind))
    return found


def shots(duration_ns: int, cuts_ns: list[int], bad_spans: list[Span]) -> list[Span]:
    """Return the spans without a boundary and without unusable frames, in order."""
    edges = [0, *[cut for cut in cuts_ns if 0 < cut < duration_ns], duration_ns]
    whole = [Span(a, b) for a, b in pairwise(edges) if b > a]
    return [part for shot in whole for part in subtract(shot, bad_spans)]


def _boundaries(signals: Signals) -> list[tuple[int, Kind]]:
    """Return (frame, kind) of each boundary of one stretch."""
    # What a gradual change covers is explained: no cut is looked for in it, and by no other.
    explained = np.zeros(len(signals), np.bool_)
    found: list[tuple[int, Kind]] = []
    for fade in fades(signals):
        if not explained[fade.flattest]:
            found.append((fade.flattest, "fade"))
        explained[fade.first : fade.last + 1] = True
    lit = flashes(signals) & ~explained
    for one in dissolves(signals):
        covered = slice(one.first, one.last + 1)
        if not (explained[covered] | lit[covered]).any():
            found.append((one.middle, "dissolve"))
            explained[covered] = True
    found += [(int(k), "cut") for k in np.flatnonzero(cuts(signals, lit) & ~explained)]
    return sorted(found)


def _stretches(signals: Signals, bad_spans: Sequence[Span]) -> Iterator[Signals]:
    """Yield the signals between damage: each part begins after a step across a bad span."""
    starts = np.concatenate([[0], np.flatnonzero(_broken(signals.times_ns, bad_spans)) + 1])
    for first, end in pairwise([*starts.tolist(), len(signals)]):
        if end - first > 1:
            yield signals.part(first, end)


def _broken(times_ns: npt.NDArray[np.int64], bad_spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Mark the steps from each frame to the next that touch a bad span: (frames - 1,)."""
    spans = merge(list(bad_spans))
    if not spans or len(times_ns) < 2:
        return np.zeros(max(0, len(times_ns) - 1), np.bool_)
    starts, ends = np.array([(span.start_ns, span.end_ns) for span in spans], np.int64).T
    # The first span that ends after the earlier frame: a span's end is a good keyframe.
    after = np.searchsorted(ends, times_ns[:-1], side="right")
    held = after < len(ends)
    broken: npt.NDArray[np.bool_] = held & (starts[np.where(held, after, 0)] <= times_ns[1:])
    return broken
