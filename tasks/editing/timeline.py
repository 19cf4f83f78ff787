"""When what is shown, and how much of it: shots on the clock of an edit list, and their weights.

Pure integer arithmetic on nanoseconds. A shot shows a span of a session through a camera; where
two overlap, one falls while the other rises by the same line, so that weights sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from catalog.span import SECOND_NS, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

Transition = Literal["dissolve", "fade"]
# How tracks become one picture: the upper over the lower, beside each other, small ones in the
# corner of the first, or all of them at once by weight.
MixKind = Literal["over", "side_by_side", "picture_in_picture", "weighted"]


@dataclass(frozen=True, slots=True)
class Piece:
    """An entry of a track: a span of a session (all its cameras unless one is named), or a gap.

    `name` is what errors call it; `span` is on the session clock, None for a gap.
    """

    name: str
    duration_ns: int
    session: str | None = None
    camera: str | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """A transition after piece `after` (-1: before the first), `before_ns` and `behind_ns` long.

    A dissolve shows both pieces all the while; a fade goes through black at the join.
    """

    name: str
    after: int
    kind: Transition
    before_ns: int
    behind_ns: int


@dataclass(frozen=True, slots=True)
class Shot:
    """What a track shows during `span` of the list's clock: session time = list time + `shift_ns`.

    It rises to full weight during `rise` and falls during `fall`, where there are such.
    """

    name: str
    session: str
    camera: str | None
    span: Span
    shift_ns: int
    rise: Span | None = None
    fall: Span | None = None

    @property
    def session_span(self) -> Span:
        """What is shown, on the session clock."""
        return self.span.shift(self.shift_ns)

    def weight(self, t_ns: int) -> Fraction:
        """Return how much of it is shown at an instant of the list's clock, 0 to 1, exactly."""
        if not self.span.contains(t_ns):
            return Fraction(0)
        return _risen(self.rise, t_ns) * (1 - (_risen(self.fall, t_ns) if self.fall else 0))


def _risen(rise: Span | None, t_ns: int) -> Fraction:
    if rise is None or t_ns >= rise.end_ns:
        return Fraction(1)
    return Fraction(max(0, t_ns - rise.start_ns), rise.duration_ns)


@dataclass(frozen=True, slots=True)
class Mix:
    """How tracks are put together; `weights` (one a track, summing to 1) where it is by weight."""

    kind: MixKind = "over"
    weights: tuple[float, ...] = ()

    def gains(self, shown: Sequence[float]) -> tuple[float, ...]:
        """Return how loud each track is, given how much of each is shown; at most 1 in sum."""
        if self.kind == "weighted":
            return tuple(w * s for w, s in zip(self.weights, shown, strict=True))
        if self.kind == "side_by_side":
            return tuple(s / len(shown) for s in shown)
        if self.kind == "picture_in_picture":
            return (shown[0], *(0.0 for _ in shown[1:]))
        left, gains = 1.0, []
        for share in reversed(shown):
            gains.append(share * left)
            left *= 1 - share
        return tuple(reversed(gains))


def shots_of(pieces: Sequence[Piece], joins: Sequence[Join]) -> tuple[Shot, ...]:
    """Lay pieces end to end and return what is shown when, transitions included.

    A dissolve makes the pieces on both of its sides longer, into their own footage; `edit_list`
    has made sure that they have it.
    """
    by_place = {join.after: join for join in joins}
    shots, at = [], 0
    for k, piece in enumerate(pieces):
        start, end = at, at + piece.duration_ns
        at = end
        if piece.span is None or piece.session is None:
            continue
        into, out = by_place.get(k - 1), by_place.get(k)
        shown = Span(start, end)
        rise = fall = None
        if into is not None:
            first, rise = _rise(into, start)
            shown = Span(first, shown.end_ns)
        if out is not None:
            last, fall = _fall(out, end)
            shown = Span(shown.start_ns, last)
        shift = piece.span.start_ns - start
        shots.append(Shot(piece.name, piece.session, piece.camera, shown, shift, rise, fall))
    return tuple(shots)


def _rise(join: Join, at: int) -> tuple[int, Span | None]:
    """Return when the piece behind a join begins to be shown, and its rise."""
    if join.kind == "dissolve":
        return at - join.before_ns, _span(at - join.before_ns, at + join.behind_ns)
    return at, _span(at, at + join.behind_ns)


def _fall(join: Join, at: int) -> tuple[int, Span | None]:
    """Return when the piece before a join is no longer shown, and its fall."""
    if join.kind == "dissolve":
        return at + join.behind_ns, _span(at - join.before_ns, at + join.behind_ns)
    return at, _span(at - join.before_ns, at)


def _span(start: int, end: int) -> Span | None:
    return Span(start, end) if end > start else None


def frame_times(duration_ns: int, rate: Fraction) -> list[int]:
    """Return when each frame of so long a video is shown first, rounded down to ns."""
    count = -(-duration_ns * rate.numerator // (SECOND_NS * rate.denominator))
    return [k * SECOND_NS * rate.denominator // rate.numerator for k in range(max(1, count))]
