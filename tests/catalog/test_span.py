"""Spans: half-open, in integer nanoseconds, exact under splitting, subtracting and merging."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.span import Span, grid, merge, split, subtract

TIMES = st.integers(min_value=-(10**4), max_value=10**4)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(TIMES)
    return Span(start, start + draw(st.integers(min_value=1, max_value=3000)))


def instants(parts: list[Span]) -> set[int]:
    return {t for part in parts for t in range(part.start_ns, part.end_ns)}


@pytest.mark.parametrize("end_ns", [5, 4])
def test_an_empty_or_reversed_span_cannot_be_made(end_ns: int) -> None:
    """A span of no length is an error where it is made, not later."""
    with pytest.raises(ValueError, match="empty span"):
        Span(5, end_ns)


def test_the_end_is_not_inside() -> None:
    """The first instant belongs to a span and the end does not."""
    span = Span(10, 20)
    assert (span.contains(10), span.contains(19), span.contains(20)) == (True, True, False)
    assert span.duration_ns == 10


@given(spans(), st.integers(1, 4000))
def test_split_covers_the_span_with_equal_parts(span: Span, max_ns: int) -> None:
    """Parts touch, cover the span exactly, keep to the limit and differ by 1 ns at most."""
    parts = split(span, max_ns)
    assert (parts[0].start_ns, parts[-1].end_ns) == (span.start_ns, span.end_ns)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(parts))
    lengths = [part.duration_ns for part in parts]
    assert max(lengths) <= max_ns
    assert max(lengths) - min(lengths) <= 1
    assert len(parts) == -(-span.duration_ns // max_ns)


def test_split_of_what_is_too_short_gives_nothing() -> None:
    """A span shorter than the least length gives no part; one as long gives one."""
    assert split(Span(0, 9), max_ns=100, min_ns=10) == []
    assert split(Span(0, 10), max_ns=100, min_ns=10) == [Span(0, 10)]


@given(spans(), st.lists(spans(), max_size=5))
def test_subtract_leaves_exactly_the_instants_outside_the_holes(
    span: Span, holes: list[Span]
) -> None:
    """What is left is the span's instants without the holes', in order and apart."""
    left = subtract(span, holes)
    assert instants(left) == instants([span]) - instants(holes)
    assert all(a.end_ns < b.start_ns for a, b in pairwise(left))


@given(st.lists(spans(), max_size=6))
def test_merge_keeps_every_instant_and_no_two_parts_touch(parts: list[Span]) -> None:
    """Merged spans hold the same instants and are apart from one another."""
    joined = merge(parts)
    assert instants(joined) == instants(parts)
    assert all(a.end_ns < b.start_ns for a, b in pairwise(joined))


@given(spans(), spans())
def test_intersection_and_covering_agree_with_instants(one: Span, other: Span) -> None:
    """`intersect` and `covers` say what the sets of instants say."""
    shared = one.intersect(other)
    assert instants([shared] if shared else []) == instants([one]) & instants([other])
    assert one.covers(other) == (instants([other]) <= instants([one]))


@given(spans(), TIMES)
def test_shift_keeps_the_length_and_can_be_undone(span: Span, by_ns: int) -> None:
    """A shifted span is as long as before, and shifting back gives the same span."""
    assert span.shift(by_ns).duration_ns == span.duration_ns
    assert span.shift(by_ns).shift(-by_ns) == span


@given(spans(), st.integers(1, 500))
def test_grid_starts_with_the_span_and_ends_before_its_end(span: Span, step_ns: int) -> None:
    """The grid has its first instant at the start and even steps up to the end."""
    points = grid(span, step_ns)
    assert points[0] == span.start_ns
    assert points[-1] < span.end_ns <= points[-1] + step_ns
    assert all(b - a == step_ns for a, b in pairwise(points))
