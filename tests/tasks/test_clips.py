"""How sessions are cut into clips."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from catalog.span import Span
from tasks.clocks.clock import CameraClock
from tasks.ingest.shots import Boundary, shots
from tasks.sessions.clips import Take, cut_clips

SECOND = 1_000_000_000
MAX, MIN = 2 * SECOND, SECOND // 4


def take(camera: str, seconds: float, **facts: object) -> Take:
    """Return one camera's take of so many seconds."""
    return Take(
        camera,
        f"recording-{camera}",
        duration_ns=int(seconds * SECOND),
        **({"clock": CameraClock()} | facts),
    )  # type: ignore[arg-type]


def test_a_take_is_cut_into_equal_clips() -> None:
    """Five seconds at two seconds the most are three equal clips that cover all of it."""
    clips = cut_clips([take("a", 5)], MAX, MIN)
    assert len(clips) == 3
    assert clips[0].span.start_ns == 0
    assert clips[-1].span.end_ns == 5 * SECOND
    assert {clip.cameras for clip in clips} == {("a",)}


def test_a_cut_in_one_camera_ends_the_clip_for_all() -> None:
    """The cameras of a clip stay side by side."""
    clips = cut_clips([take("a", 2, boundaries=(Boundary(SECOND, "cut"),)), take("b", 2)], MAX, MIN)
    assert [clip.span for clip in clips] == [Span(0, SECOND), Span(SECOND, 2 * SECOND)]
    assert [clip.shot_index for clip in clips] == [0, 1]


def test_a_camera_that_comes_late_is_not_in_the_first_clip() -> None:
    """A clip holds the cameras that saw all of it, no more."""
    clips = cut_clips([take("a", 3), take("b", 2, clock=CameraClock(SECOND))], MAX, MIN)
    assert [(clip.span.start_ns, clip.cameras) for clip in clips] == [
        (0, ("a",)),
        (SECOND, ("a", "b")),
    ]


def cuts_at(times_ns: list[int]) -> tuple[Boundary, ...]:
    """Return cuts at some times."""
    return tuple(Boundary(t_ns, "cut") for t_ns in sorted(times_ns))


spans = st.builds(
    lambda a, n: Span(a, a + n), st.integers(0, 9 * SECOND), st.integers(1, 3 * SECOND)
)
takes = st.lists(
    st.builds(
        lambda seconds, clock, bad, cuts: (seconds, clock, bad, cuts),
        st.integers(SECOND // 10, 9 * SECOND),
        st.builds(CameraClock, st.integers(-SECOND, SECOND), st.integers(-500_000, 500_000)),
        st.lists(spans, max_size=3),
        st.lists(st.integers(1, 8 * SECOND), max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@given(takes)
def test_clips_never_cross_cuts_or_bad_spans_and_never_overlap(
    drawn: list[tuple[int, CameraClock, list[Span], list[int]]],
) -> None:
    """Whatever the cameras recorded, the law of clips holds."""
    cameras = [
        Take(f"cam{k}", f"r{k}", clock, duration, cuts_at(cuts), tuple(bad))
        for k, (duration, clock, bad, cuts) in enumerate(drawn)
    ]
    clips = cut_clips(cameras, MAX, MIN)
    for before, after in pairwise(clips):
        assert before.span.end_ns <= after.span.start_ns
    for clip in clips:
        assert MIN <= clip.span.duration_ns <= MAX
        for one in cameras:
            for cut in one.session_cuts_ns:
                assert not clip.span.start_ns < cut < clip.span.end_ns
            if one.camera in clip.cameras:
                own = one.clock.span_to_recording(clip.span)
                assert Span(0, one.duration_ns).covers(own)
                assert all(own.intersect(bad) is None for bad in one.bad_spans)


def test_shots_leave_out_what_cannot_be_decoded() -> None:
    """A bad span divides the shot it lies in."""
    found = shots(10, [4], [Span(6, 7)])
    assert found == [Span(0, 4), Span(4, 6), Span(7, 10)]
