"""Finds recordings that show the same footage though their bytes differ: where, and how surely.

Pure: reads hashes and signals of scans, writes nothing. A re-encode, rescale, trim, small crop,
change of brightness or of frame rate is found; another time of the same fixed camera is not, and
neither is footage in which nothing moves, since nothing in it tells the time. Speed changes,
mirror images and large crops are not looked for (infra/decisions/0006-duplicates.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from catalog.span import Span
from tasks.ingest.lookalikes import candidates, telling
from tasks.ingest.motion import STEP_NS, compare_motion, likeliest_lags, resample
from tasks.ingest.scan import HASH_STEP_NS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from tasks.ingest.motion import Likeness
    from tasks.ingest.signals import Signals

    Hashes = npt.NDArray[np.uint64]
    Floats = npt.NDArray[np.float64]

# Along an overlap, hashes differ by no more than this on average over three steps ...
ALIKE_BITS = 14.0
# ... and for so long: 6 quarters of a second are the shortest overlap found.
SHORTEST_HASHES = 6
# Offsets are found to .04 s: 1.5 s may seem to be a little less.
SHORTEST_NS = SHORTEST_HASHES * HASH_STEP_NS - STEP_NS
# Agreement of motion asked of a duplicate: 2 of 1,000 pairs of windows of a staged film, in which
# people do the same things before a fixed camera, come over it, and 9 of 10 treated copies.
LEAST_AGREEMENT = 0.93
# Bits of hashes that change over an overlap must do so together, as a correlation: a hand that puts
# a bottle down moves as one that takes it up (.93), and changes other bits (.03).
LEAST_CHANGE = 0.15
# Below this weight (of 5) nothing moves enough to tell one time from another.
LEAST_MOTION = 1.2
# Offsets tried by pictures and by motion, and steps each may move to settle.
OFFSETS, AROUND = 4, 6
# Motion that agrees so little agrees nowhere within `AROUND` steps: .4 has been seen 4 steps off.
HOPELESS = 0.25
# Rows of a distance matrix at a time: 2 MB for a known recording of an hour.
ROWS = 128


@dataclass(frozen=True)
class Footage:
    """What is known of a recording's pictures: a hash each quarter of a second, and signals."""

    recording_id: str
    duration_ns: int
    hashes: Hashes
    signals: Signals

    @cached_property
    def motion(self) -> Floats:
        """Its signals on an even grid (see `resample`)."""
        return resample(self.signals)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two recordings that show the same footage, `recording_id` the smaller id.

    `span` is the overlap on the clock of `recording_id`, `other_span` the same on the other's:
    equally long, right to .04 s in their offset and .25 s in their ends. `score` is the agreement
    of motion (.93 or more) times that of the pictures (1 - bits that differ / 32): 1 is a copy to
    the bit, .97 a re-encode, .7 a crop by 5 % a side; no less than .52 is given.
    """

    recording_id: str
    other_id: str
    span: Span
    other_span: Span
    score: float


class _Alike(NamedTuple):
    """Where pictures are alike on the clock of one, by how many bits they differ on average."""

    span: Span
    bits: float
    changes_agree: bool


def find_duplicates(
    new: Iterable[Footage], known: Iterable[Iterable[Footage]]
) -> Iterator[Duplicate]:
    """Yield every pair of a new recording with another new or a known one, each once.

    `known` comes in blocks, of which one is held at a time. What is found does not depend on which
    recording came first; the order of what is yielded does.
    """
    fresh = {footage.recording_id: footage for footage in new}
    hashes = {name: footage.hashes for name, footage in fresh.items()}
    for number, block in enumerate(chain([fresh.values()], known)):
        held = {footage.recording_id: footage for footage in block}
        others = {
            name: footage.hashes
            for name, footage in held.items()
            if number == 0 or name not in fresh
        }
        for one, other in candidates(hashes, others):
            # Among the new ones each pair is found from both sides.
            if number or one < other:
                found = compare(fresh[one], held[other])
                if found:
                    yield found


def compare(one: Footage, other: Footage) -> Duplicate | None:
    """Return the longest overlap of two recordings, or None where they share no footage.

    Symmetric: either order of arguments gives the same.
    """
    if one.recording_id > other.recording_id:
        one, other = other, one
    if min(len(one.hashes), len(other.hashes)) < SHORTEST_HASHES:
        return None
    found = []
    lags = likeliest_lags(one.motion, other.motion, OFFSETS)
    for lag in dict.fromkeys(chain(_lags_by_pictures(one.hashes, other.hashes), lags)):
        overlap = _overlap(one, other, lag)
        if overlap:
            found.append(overlap)
    return max(found, key=lambda d: (d.span.duration_ns * d.score, -d.span.start_ns), default=None)


def _overlap(one: Footage, other: Footage, lag: int) -> Duplicate | None:
    """Return what two recordings share at about a lag, if their motion agrees there."""
    alike = _alike(one, other, lag * STEP_NS)
    if alike is None:
        return None
    likeness, lag = _settle(one.motion, other.motion, alike.span, lag)
    if likeness.weight < LEAST_MOTION or likeness.agreement < LEAST_AGREEMENT:
        return None
    alike = _alike(one, other, lag * STEP_NS)
    if alike is None or not alike.changes_agree or alike.span.duration_ns < SHORTEST_NS:
        return None
    return Duplicate(
        recording_id=one.recording_id,
        other_id=other.recording_id,
        span=alike.span,
        other_span=alike.span.shift(-lag * STEP_NS),
        score=likeness.agreement * (1 - alike.bits / 32),
    )


def _settle(one: Floats, other: Floats, span: Span, lag: int) -> tuple[Likeness, int]:
    """Return how motion agrees over a span at the best lag near a given one, and that lag."""
    found: dict[int, Likeness] = {}
    for _ in range(AROUND):
        for tried in (lag - 1, lag, lag + 1):
            if tried not in found:
                first = max(-(-span.start_ns // STEP_NS), tried, 0)
                last = min(span.end_ns // STEP_NS, one.shape[1], other.shape[1] + tried)
                found[tried] = compare_motion(
                    one[:, first:last], other[:, first - tried : max(first, last) - tried]
                )
        best = max((lag, lag - 1, lag + 1), key=lambda near: found[near].agreement)
        if best == lag or found[best].agreement < HOPELESS:
            break
        lag = best
    return found[lag], lag


def _alike(one: Footage, other: Footage, offset_ns: int) -> _Alike | None:
    """Return the longest span at an offset in which pictures are alike.

    Instant t of `other` is t + offset of `one`, on whose clock the span is.
    """
    both = Span(0, one.duration_ns).intersect(Span(0, other.duration_ns).shift(offset_ns))
    steps = np.arange(len(one.hashes))
    # The other's hashes before and after: the nearer picture counts, whichever it is.
    before = (steps * HASH_STEP_NS - offset_ns) // HASH_STEP_NS
    after = -((offset_ns - steps * HASH_STEP_NS) // HASH_STEP_NS)
    inside = (after >= 0) & (before < len(other.hashes))
    if both is None or inside.sum() < SHORTEST_HASHES:
        return None
    steps, left = steps[inside], one.hashes[inside]
    partners = [
        other.hashes[np.clip(place[inside], 0, len(other.hashes) - 1)] for place in (before, after)
    ]
    either = np.bitwise_count(np.stack(partners) ^ left)
    right = np.where(either[0] <= either[1], *partners)
    bits = either.min(axis=0).astype(np.float64)
    tells = telling(left) | telling(right)
    first, last = _longest_run(_bridged(_mean_of_three(bits) <= ALIKE_BITS))
    counted = bits[first:last][tells[first:last]]
    if len(counted) < SHORTEST_HASHES or counted.mean() > ALIKE_BITS:
        return None
    # Where pictures are alike to the end of either recording, the overlap ends where that does.
    start = both.start_ns if first == 0 else int(steps[first]) * HASH_STEP_NS
    end = both.end_ns if last == len(steps) else (int(steps[last - 1]) + 1) * HASH_STEP_NS
    span = both.intersect(Span(start, max(end, start + 1)))
    if span is None:
        return None
    agree = _changes_agree(left[first:last], right[first:last])
    return _Alike(span, float(counted.mean()), agree)


def _changes_agree(one: Hashes, other: Hashes) -> bool:
    """Tell whether bits that change over time do so together; where none does, they do not."""
    changes = []
    for hashes in (one, other):
        bits = np.unpackbits(hashes.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1)
        changes.append(bits - bits.mean(axis=0, dtype=np.float32))
    both, mine, theirs = (
        float(np.vdot(a, b)) / len(one) for a, b in (changes, changes[:1] * 2, changes[1:] * 2)
    )
    return both >= LEAST_CHANGE * np.sqrt(mine * theirs) and both > 0


def _lags_by_pictures(one: Hashes, other: Hashes) -> list[int]:
    """Return the lags, in motion's steps, of the diagonals with the most and nearest pairs."""
    tells = telling(other)
    total = np.zeros(len(one) + len(other) - 1)
    for begin in range(0, len(one), ROWS):
        rows = one[begin : begin + ROWS]
        bits = np.bitwise_count(rows[:, None] ^ other).astype(np.int16)
        near = np.where(telling(rows)[:, None] & tells, np.maximum(ALIKE_BITS - bits, 0), 0)
        # Row r shifted right by its distance from the end: columns are then diagonals.
        count, width = len(rows), len(other) + len(rows) - 1
        skewed = np.pad(near[::-1], ((0, 0), (0, count))).ravel()[: count * width]
        at = len(one) - begin - count
        total[at : at + width] += skewed.reshape(count, width).sum(axis=0)
    found = []
    for _ in range(OFFSETS):
        best = int(total.argmax())
        if total[best] <= 0:
            break
        total[max(0, best - 1) : best + 2] = 0
        found.append(round((len(one) - 1 - best) * HASH_STEP_NS / STEP_NS))
    return found


def _longest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true begins and ends; the first of equals."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])


def _bridged(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the flags with gaps shorter than `SHORTEST_HASHES` filled.

    Hashes of the two are of frames up to an eighth of a second apart: in a fast pan 29 bits.
    """
    flags = flags.copy()
    true = np.flatnonzero(flags)
    for k in np.flatnonzero((gaps := np.diff(true)) > 1):
        if gaps[k] <= SHORTEST_HASHES:
            flags[true[k] : true[k + 1]] = True
    return flags


def _mean_of_three(values: Floats) -> Floats:
    padded = np.pad(values, 1, mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3
