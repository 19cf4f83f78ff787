"""A camera's clock against its session's, to the nanosecond."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.span import Span
from tasks.clocks.clock import CameraClock

DAY = 86_400 * 1_000_000_000
CLOCKS = st.builds(CameraClock, st.integers(-DAY, DAY), st.integers(-500_000, 500_000))
TIMES = st.integers(0, 31 * DAY)


def test_a_clock_that_runs_fast_is_ahead_after_a_while() -> None:
    """100 ppm are 60 ms in ten minutes."""
    clock, minutes = CameraClock(5, 100_000), 10 * 60 * 1_000_000_000
    assert clock.to_recording(minutes + 5) == minutes + 60_000_000
    assert clock.to_session(minutes + 60_000_000) == minutes + 5


@given(CLOCKS, TIMES)
def test_there_and_back_is_the_same_nanosecond_or_the_next(clock: CameraClock, t_ns: int) -> None:
    """Never the one before: there the frame before would be shown."""
    assert 0 <= clock.to_recording(clock.to_session(t_ns)) - t_ns <= 1


@given(CLOCKS, TIMES, st.integers(1, DAY))
def test_a_span_comes_back_inside_itself(clock: CameraClock, start: int, length: int) -> None:
    """What was cut out of a recording holds nothing from beside it."""
    span = Span(start, start + length + 1)
    there = clock.span_to_session(span)
    assert span.covers(clock.span_to_recording(there))


@given(st.integers(-DAY, DAY), TIMES, st.integers(1, DAY))
def test_without_drift_a_clock_is_a_shift(offset: int, start: int, length: int) -> None:
    """Spans keep their length to the nanosecond."""
    span, clock = Span(start, start + length), CameraClock(offset)
    assert clock.span_to_session(span) == span.shift(offset)
    assert clock.span_to_recording(span.shift(offset)) == span
