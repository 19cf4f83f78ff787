"""Half-open time spans in integer nanoseconds, and what can be done with them.

Reads and writes nothing. Every time in the catalog is an integer; a span is
`[start_ns, end_ns)` of a named clock (a recording's own or its session's).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A half-open span `[start_ns, end_ns)`, never empty.

    Raises:
        ValueError: if it would be empty or reversed.
    """

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            raise ValueError(f"empty span [{self.start_ns}, {self.end_ns})")

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds, at least 1."""
        return self.end_ns - self.start_ns

    def contains(self, t_ns: int) -> bool:
        """Tell whether an instant lies inside."""
        return self.start_ns <= t_ns < self.end_ns

    def covers(self, other: Span) -> bool:
        """Tell whether `other` lies wholly inside."""
        return self.start_ns <= other.start_ns and other.end_ns <= self.end_ns

    def intersect(self, other: Span) -> Span | None:
        """Return what both share, or None."""
        start, end = max(self.start_ns, other.start_ns), min(self.end_ns, other.end_ns)
        return Span(start, end) if start < end else None

    def shift(self, by_ns: int) -> Span:
        """Return the same length, `by_ns` later."""
        return Span(self.start_ns + by_ns, self.end_ns + by_ns)


def split(span: Span, max_ns: int, min_ns: int = 1) -> list[Span]:
    """Cut a span into the fewest equal parts of at most `max_ns` each.

    Equal parts, so that no clip is a sliver; a span shorter than `min_ns` gives none.
    The parts touch and cover the span exactly.
    """
    if span.duration_ns < min_ns:
        return []
    parts = -(-span.duration_ns // max_ns)
    edges = [span.start_ns + span.duration_ns * k // parts for k in range(parts + 1)]
    return [Span(a, b) for a, b in pairwise(edges)]


def subtract(span: Span, holes: Iterable[Span]) -> list[Span]:
    """Return what is left of a span when every hole is taken out, in order."""
    left, at = [], span.start_ns
    for hole in sorted(holes):
        if hole.end_ns <= at or hole.start_ns >= span.end_ns:
            continue
        if hole.start_ns > at:
            left.append(Span(at, hole.start_ns))
        at = max(at, hole.end_ns)
    if at < span.end_ns:
        left.append(Span(at, span.end_ns))
    return left


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap, in order."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start_ns <= joined[-1].end_ns:
            joined[-1] = Span(joined[-1].start_ns, max(joined[-1].end_ns, span.end_ns))
        else:
            joined.append(span)
    return joined


def grid(span: Span, step_ns: int) -> list[int]:
    """Return the instants `start, start + step, ...` inside a span, in nanoseconds."""
    return list(range(span.start_ns, span.end_ns, step_ns))
