"""Where shots are parted, how, and what parts none."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.span import Span
from tasks.containers.limits import Limits
from tasks.decode import Source
from tasks.ingest.scan import scan
from tasks.ingest.shots import Boundary, find_boundaries, shots
from tasks.ingest.signals import Meter, Signals

if TYPE_CHECKING:
    from tasks.synthetic.archive import Truth

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
STEP = 40_000_000
WIDTH, HEIGHT = 64, 36


def ground(seed: int, low: int = 20, high: int = 220) -> np.ndarray:
    """Return a texture four times as wide and high as a picture, between two levels."""
    noise = np.random.default_rng(seed).random((4 * HEIGHT, 4 * WIDTH)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, low, high, cv2.NORM_MINMAX)


def panned(seed: int, count: int, speed: float = 0.5, **levels: int) -> list[np.ndarray]:
    """Return a shot: a window that goes to and fro over a texture, `speed` pixels a frame."""
    texture = ground(seed, **levels)
    room = 3 * WIDTH
    at = [abs((speed * k + room) % (2 * room) - room) for k in range(count)]
    return [texture[HEIGHT : 2 * HEIGHT, int(x) : int(x) + WIDTH] for x in at]


def shaken(seed: int, count: int, reach: float, **levels: int) -> list[np.ndarray]:
    """Return a shot from a hand that shakes by `reach` pixels."""
    texture = ground(seed, **levels)
    steps = np.clip(np.random.default_rng(seed).normal(0, reach, (count, 2)), -HEIGHT, HEIGHT)
    corners = (steps + np.array([HEIGHT, WIDTH])).astype(int)
    return [texture[y : y + HEIGHT, x : x + WIDTH] for y, x in corners]


def mixed(one: np.ndarray, other: np.ndarray | float, share: float) -> np.ndarray:
    """Return one picture with a share of another, or of a flat colour."""
    return (1 - share) * one + share * other


def faded(
    before: list[np.ndarray], after: list[np.ndarray], colour: float, side: int, hold: int
) -> list[np.ndarray]:
    """Join two shots by a fade that takes `side` frames of each and `hold` flat ones."""
    shares = np.arange(1, side + 1) / (side + 1)
    flat = [np.full((HEIGHT, WIDTH), colour, np.float32)] * hold
    out = [mixed(p, colour, s) for p, s in zip(before[-side:], shares, strict=True)]
    back = [mixed(p, colour, s) for p, s in zip(after[:side], shares[::-1], strict=True)]
    return [*before[:-side], *out, *flat, *back, *after[side:]]


def dissolved(before: list[np.ndarray], after: list[np.ndarray], length: int) -> list[np.ndarray]:
    """Join two shots by `length` frames that are mixtures of both."""
    shares = np.arange(1, length + 1) / (length + 1)
    both = zip(before[-length:], after[:length], shares, strict=True)
    return [*before[:-length], *(mixed(a, b, s) for a, b, s in both), *after[length:]]


def measured(frames: list[np.ndarray], noise: float = 1.0) -> Signals:
    """Measure frames 40 ms apart as a scan does, with a camera's noise."""
    random, meter, before = np.random.default_rng(0), Meter(WIDTH, HEIGHT), None
    for k, frame in enumerate(frames):
        noisy = frame + random.normal(0, noise, frame.shape)
        luma = np.clip(noisy, 0, 255).astype(np.uint8)
        meter.note(k * STEP, luma, before)
        before = luma
    return meter.signals()


def found(frames: list[np.ndarray], bad: tuple[Span, ...] = ()) -> list[tuple[int, str]]:
    """Return (frame, kind) of each boundary."""
    return [(one.t_ns // STEP, one.kind) for one in find_boundaries(measured(frames), bad)]


@pytest.mark.parametrize("speed", [0, 0.5, 3])
def test_a_cut_is_found_at_the_first_frame_after_it(speed: float) -> None:
    """Whether the camera stands, pans, or hurries."""
    frames = [*panned(1, 30, speed), *panned(2, 30, speed, low=60, high=250)]
    assert found(frames) == [(30, "cut")]


def test_a_cut_shows_in_what_shaking_leaves_alone() -> None:
    """Where every frame changes half as much as a cut does, brightness tells them apart."""
    frames = [*shaken(3, 40, 4), *shaken(4, 40, 4, low=120, high=255)]
    signals = measured(frames)
    assert signals.change[40] < 2 * np.delete(signals.change, 40).max()
    assert found(frames) == [(40, "cut")]


@pytest.mark.parametrize("reach", [1, 3, 6])
def test_a_shaking_camera_makes_no_boundary(reach: float) -> None:
    """Not even by a tenth of the picture from frame to frame."""
    for seed in range(5):
        assert found(shaken(seed, 120, reach)) == []


@pytest.mark.parametrize("speed", [1, 6, 20])
def test_fast_motion_is_no_boundary(speed: float) -> None:
    """Where every frame changes a lot no frame parts anything, nor does a slower change."""
    for seed in range(5):
        assert found(panned(seed, 120, speed)) == []


@pytest.mark.parametrize("light", [0, 255])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_flash_is_no_boundary(light: float, length: int) -> None:
    """There and back within five frames is a flash, bright or dark, whole or dying away."""
    for fall in (1.0, 0.6):
        frames = panned(1, 60)
        for k in range(length):
            frames[30 + k] = mixed(frames[30 + k], light, 0.8 * fall**k)
        assert found(frames) == []


def test_a_cut_beside_a_flash_is_found() -> None:
    """A flash does not hide the cut that follows it."""
    frames = [*panned(1, 40), *panned(2, 40, low=60, high=250)]
    frames[36] = mixed(frames[36], 255, 0.8)
    assert found(frames) == [(40, "cut")]


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize(("side", "hold"), [(5, 0), (12, 0), (12, 5), (25, 12)])
def test_a_fade_is_one_boundary_where_it_is_flattest(colour: float, side: int, hold: int) -> None:
    """Through black or white, in half a second or in three, held or not."""
    frames = faded(panned(1, 60), panned(2, 60), colour, side, hold)
    (boundary,) = found(frames)
    assert boundary[1] == "fade"
    # Flat are frames 60 to 60 + hold - 1; where none is, the two around are the flattest.
    assert abs(boundary[0] - (59.5 + hold / 2)) <= 1


def test_a_fade_from_nothing_or_into_it_parts_nothing() -> None:
    """A recording that begins and ends in black is one shot."""
    black = [np.zeros((HEIGHT, WIDTH), np.float32)] * 30
    frames = faded(faded(black, panned(1, 60), 0, 12, 0), black, 0, 12, 0)
    assert found(frames) == []


def test_a_cut_to_black_and_one_back_are_two_cuts() -> None:
    """What goes at once is no fade."""
    black = [np.zeros((HEIGHT, WIDTH), np.float32)] * 20
    frames = [*panned(1, 40), *black, *panned(2, 40)]
    assert found(frames) == [(40, "cut"), (60, "cut")]


@pytest.mark.parametrize("length", [7, 12, 20, 25])
@pytest.mark.parametrize("speed", [0, 0.3, 1])
def test_a_dissolve_is_one_boundary_in_its_middle(length: int, speed: float) -> None:
    """Variance dips by half between unlike shots, whatever moves."""
    frames = dissolved(panned(1, 60, speed), panned(2, 60, speed), length)
    (boundary,) = found(frames)
    assert boundary[1] == "dissolve"
    assert abs(boundary[0] - (60 - (length + 1) / 2)) <= 2


def test_damage_parts_nothing() -> None:
    """The step across a bad span, and every frame inside it, is no boundary; a cut elsewhere is."""
    frames = [*panned(1, 40), *panned(2, 8, low=90), *panned(3, 40), *panned(4, 40, low=70)]
    assert [frame for frame, _ in found(frames)] == [40, 48, 88]
    assert found(frames, (Span(40 * STEP, 48 * STEP),)) == [(88, "cut")]
    missing = [*frames[:40], *frames[48:]]
    signals = measured(missing)
    times = signals.times_ns + np.where(np.arange(len(missing)) < 40, 0, 8 * STEP)
    gap = Signals(times, *(getattr(signals, name) for name in Signals.__slots__[1:]))
    assert find_boundaries(gap, [Span(40 * STEP, 48 * STEP)]) == [Boundary(88 * STEP, "cut")]


def test_too_few_frames_have_no_boundary() -> None:
    """Neither none, nor one, nor two unlike ones."""
    frames = [panned(1, 1)[0], panned(2, 1, low=90)[0]]
    assert [found(frames[:count]) for count in range(3)] == [[], [], []]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0, 255, width=16), min_size=0, max_size=120),
    st.lists(st.tuples(st.integers(-5, 130), st.integers(1, 40)), max_size=3),
)
def test_whatever_is_measured_boundaries_are_in_order(
    values: list[float], bad: list[tuple[int, int]]
) -> None:
    """Each is a frame's instant outside damage, later than the one before."""
    rolled = [np.roll(np.array(values, np.float32), shift) for shift in range(5)]
    signals = Signals(np.arange(len(values), dtype=np.int64) * STEP, *rolled)
    spans = [Span(first * STEP, (first + length) * STEP) for first, length in bad]
    times = [one.t_ns for one in find_boundaries(signals, spans)]
    assert all(a < b for a, b in pairwise(times))
    assert set(times) <= set(signals.times_ns.tolist())
    assert not any(span.start_ns < t < span.end_ns for span in spans for t in times)


def test_a_day_of_frames_takes_seconds() -> None:
    """A quarter of a million frames with an edit every 3 s take some .3 s of CPU."""
    frames = faded(panned(1, 60), dissolved(panned(2, 60), panned(3, 60), 12), 0, 12, 4)
    once = measured([*frames, *panned(4, 40)])
    times = 250_000 // len(once)
    columns = [np.tile(getattr(once, name), times) for name in Signals.__slots__[1:]]
    signals = Signals(np.arange(len(columns[0]), dtype=np.int64) * STEP, *columns)
    began = time.process_time()
    boundaries = find_boundaries(signals)
    assert time.process_time() - began < 5
    assert len(boundaries) == 3 * times


def test_the_archive_has_every_kind(truth: Truth) -> None:
    """Each boundary of the edited recording is found, encoded and decoded, as what it is."""
    told = truth.recordings["fades.mp4"]
    assert [kind for _, kind in told.boundaries] == ["cut", "fade", "dissolve"]
    assert len(told.flashes) == 4
    source = Source(str(truth.folder / "fades.mp4"))
    signals = scan(source, Limits(pixels=1 << 24, frames=10_000)).signals
    boundaries = find_boundaries(signals)
    assert [one.kind for one in boundaries] == [kind for _, kind in told.boundaries]
    for one, (t_ns, _) in zip(boundaries, told.boundaries, strict=True):
        assert abs(one.t_ns - t_ns) <= STEP
    assert one.t_ns != told.cuts_ns[0] == boundaries[0].t_ns


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("single/nasa_13013.mp4", [(137, "dissolve"), (202, "cut")]),
        ("odd/androidx/mp4/bbb_800x640_768kbps_30fps_avc_pyramid_3b.mp4", [(6, "cut")]),
        ("single/intel/car-detection.mp4", []),
        ("single/intel/one-by-one-person-detection.mp4", []),
    ],
)
def test_real_footage_is_parted_where_a_viewer_parts_it(
    name: str, expected: list[tuple[int, str]]
) -> None:
    """Labelled by eye; the dissolve runs from frame 127 to 148."""
    if not (SHARED / name).exists():
        pytest.skip(f"real footage is not beside the project: {SHARED / name}")
    result = scan(Source(str(SHARED / name)), Limits(pixels=1 << 24, frames=10_000))
    boundaries = find_boundaries(result.signals, result.bad_spans)
    times = result.signals.times_ns
    assert [(int(np.searchsorted(times, one.t_ns)), one.kind) for one in boundaries] == expected


def test_shots_lie_between_boundaries_and_damage() -> None:
    """They cover everything else once, in order."""
    parts = shots(100, [0, 40, 100], [Span(50, 60)])
    assert parts == [Span(0, 40), Span(40, 50), Span(60, 100)]
