"""Timelines: weights that sum to one, frames that are in sync, mixes that are what they say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.span import SECOND_NS, Span
from tasks.clocks.clock import CameraClock
from tasks.editing.mixing import blended, fitted, mixed
from tasks.editing.timeline import Join, Mix, Piece, frame_times, shots_of

MS = 1_000_000
RATES = [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(60), Fraction(6)]


@st.composite
def _lists(draw: st.DrawFn, kind: str) -> tuple[list[Piece], list[Join]]:
    lengths = draw(st.lists(st.integers(400, 5000), min_size=2, max_size=6))
    pieces, joins = [], []
    for k, length in enumerate(lengths):
        start = draw(st.integers(1000, 9000)) * MS
        span = Span(start, start + length * MS)
        pieces.append(Piece(str(k), length * MS, "session", None, span))
        if k + 1 < len(lengths) and draw(st.booleans()):
            before, behind = draw(st.integers(1, 190)), draw(st.integers(0, 190))
            joins.append(Join(str(k), k, kind, before * MS, behind * MS))  # type: ignore[arg-type]
    return pieces, joins


@settings(deadline=None)
@given(made=_lists("dissolve"), share=st.fractions(0, 1))
def test_the_weights_of_a_dissolve_sum_to_one(
    made: tuple[list[Piece], list[Join]], share: Fraction
) -> None:
    """At every instant of the list, whatever the lengths, exactly."""
    total = sum(piece.duration_ns for piece in made[0])
    t_ns = min(total - 1, int(share * total))
    assert sum(shot.weight(t_ns) for shot in shots_of(*made)) == 1


@settings(deadline=None)
@given(made=_lists("fade"), share=st.fractions(0, 1))
def test_a_fade_never_shows_two_shots(
    made: tuple[list[Piece], list[Join]], share: Fraction
) -> None:
    """It goes through black: at most one shot has any weight, and none has more than one."""
    total = sum(piece.duration_ns for piece in made[0])
    weights = [shot.weight(min(total - 1, int(share * total))) for shot in shots_of(*made)]
    assert sum(weight > 0 for weight in weights) <= 1
    assert sum(weights) <= 1


@settings(deadline=None)
@given(
    made=_lists("dissolve"),
    rate=st.sampled_from(RATES),
    camera_rate=st.sampled_from(RATES),
    offsets=st.tuples(st.integers(-900, 900), st.integers(-900, 900)),
    drifts=st.tuples(st.integers(-200_000, 200_000), st.integers(-200_000, 200_000)),
)
def test_cameras_with_clocks_of_their_own_stay_in_sync_within_a_frame(
    made: tuple[list[Piece], list[Join]],
    rate: Fraction,
    camera_rate: Fraction,
    offsets: tuple[int, int],
    drifts: tuple[int, int],
) -> None:
    """What two cameras show at a frame of the list was at most a frame of theirs apart."""
    clocks = [CameraClock(o * MS, d) for o, d in zip(offsets, drifts, strict=True)]
    step = SECOND_NS * camera_rate.denominator / camera_rate.numerator
    total = sum(piece.duration_ns for piece in made[0])
    for t_ns in frame_times(total, rate)[::7]:
        for shot in shots_of(*made):
            if not shot.span.contains(t_ns):
                continue
            seen = []
            for clock in clocks:
                asked = clock.to_recording(t_ns + shot.shift_ns)
                # The camera's frame that is shown then, and when it was taken.
                seen.append(clock.to_session(int(asked // step * step)))
            assert abs(seen[0] - seen[1]) <= step * 1.001 + 2


@settings(deadline=None)
@given(seconds=st.integers(1, 1200), rate=st.sampled_from(RATES))
def test_frames_fill_the_list_and_never_drift(seconds: int, rate: Fraction) -> None:
    """The last of twenty minutes' frames is where its number says, within a nanosecond."""
    times = frame_times(seconds * SECOND_NS, rate)
    last = len(times) - 1
    assert times[-1] < seconds * SECOND_NS <= (last + 1) * SECOND_NS / rate
    assert abs(times[-1] - last * SECOND_NS / rate) < 1


@settings(deadline=None)
@given(
    shown=st.lists(st.floats(0, 1), min_size=2, max_size=4),
    kind=st.sampled_from(["over", "side_by_side", "picture_in_picture", "weighted"]),
)
def test_sound_is_never_louder_than_its_sources(shown: list[float], kind: str) -> None:
    """However tracks are mixed, their gains sum to one at most."""
    weights = tuple(1 / len(shown) for _ in shown) if kind == "weighted" else ()
    gains = Mix(kind, weights).gains(shown)  # type: ignore[arg-type]
    assert len(gains) == len(shown)
    assert min(gains) >= 0
    assert sum(gains) <= 1 + 1e-9


def _plain(level: int, height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_one_whole_shot_is_shown_bit_for_bit() -> None:
    """Nothing is rounded where nothing is mixed."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    assert (mixed([[(noise, 1.0)]], Mix(), (60, 40)) == noise).all()


def test_a_picture_of_another_shape_keeps_its_shape() -> None:
    """It is fitted into the middle of black."""
    found = fitted(_plain(200, 20, 20), (60, 40))
    assert (found[:, 10:50] == 200).all()
    assert (found[:, :10] == 0).all()


def test_each_mix_is_what_it_says() -> None:
    """Beside each other, in the corner, by weight, the upper over the lower."""
    tracks = [[(_plain(100), 1.0)], [(_plain(200), 1.0)]]
    size = (60, 40)
    beside = mixed(tracks, Mix("side_by_side"), size)
    assert (beside[20, 5] == 100).all()
    assert (beside[20, 55] == 200).all()
    corner = mixed(tracks, Mix("picture_in_picture"), size)
    assert (corner[5, 5] == 100).all()
    assert (corner[34, 52] == 200).all()
    assert (mixed(tracks, Mix("weighted", (0.25, 0.75)), size) == 175).all()
    assert (mixed(tracks, Mix(), size) == 200).all()
    assert (mixed([tracks[0], []], Mix(), size) == 100).all()
    assert (mixed([tracks[0], [(_plain(200), 0.5)]], Mix(), size) == 150).all()


def test_what_is_not_shown_is_black() -> None:
    """A gap, and the part of a fade that is missing from one."""
    assert (blended([], (60, 40)) == 0).all()
    assert (blended([(_plain(200), 0.5)], (60, 40)) == 100).all()
    assert blended([(_plain(7), pytest.approx(1.0))], (60, 40)).shape == (40, 60, 3)
