"""What is noted of every frame, and that it survives being stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.ingest.signals import EVEN_NS, NAMES, Meter, Signals

WIDTH, HEIGHT = 64, 36


def measured(frames: list[np.ndarray], step_ns: int = 40_000_000) -> Signals:
    """Measure frames as a scan does."""
    meter, before = Meter(WIDTH, HEIGHT), None
    for k, frame in enumerate(frames):
        meter.note(k * step_ns, frame, before)
        before = frame
    return meter.signals()


def square(x: int, y: int) -> np.ndarray:
    """Return a dark picture with a bright square whose corner is at x, y."""
    frame = np.full((HEIGHT, WIDTH), 20, np.uint8)
    frame[y : y + 6, x : x + 6] = 220
    return frame


def test_change_is_located_where_it_is() -> None:
    """A square that appears is the centre of change; brightness and contrast are the picture's."""
    found = measured([np.full((HEIGHT, WIDTH), 20, np.uint8), square(40, 9)])
    assert found.change[0] == 0
    assert np.isnan(found.centre_x[0])
    assert found.change[1] == pytest.approx(200 * 36 / (WIDTH * HEIGHT))
    assert found.centre_x[1] == pytest.approx(43 / WIDTH)
    assert found.centre_y[1] == pytest.approx(12 / HEIGHT)
    assert found.brightness.tolist() == pytest.approx([20, 20 + found.change[1]])
    assert found.contrast[0] == 0


def test_noise_has_no_place() -> None:
    """Where nothing differs by more than noise there is change but no centre of it."""
    random = np.random.default_rng(0)
    frames = [(100 + random.integers(-3, 4, (HEIGHT, WIDTH))).astype(np.uint8) for _ in range(3)]
    found = measured(frames)
    assert found.change[1:].min() > 0
    assert np.isnan(found.centre_x).all()


@given(
    st.lists(st.integers(1, 10**9), min_size=0, max_size=30),
    st.integers(1, 10**8),
    st.booleans(),
)
def test_what_is_packed_comes_back(steps: list[int], step: int, even: bool) -> None:  # noqa: FBT001
    """Numbers come back in half precision, uneven times exactly, even ones to .5 ms."""
    count = len(steps)
    times = np.cumsum([0, *steps])[:count] if not even else np.arange(count) * step
    random = np.random.default_rng(count)
    values = [random.uniform(0, 255, count).astype(np.float32) for _ in NAMES]
    found = Signals.unpack(Signals(times.astype(np.int64), *values).pack())
    assert len(found) == count
    assert np.abs(found.times_ns - times).max(initial=0) <= EVEN_NS
    for name, value in zip(NAMES, values, strict=True):
        assert getattr(found, name) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 30])
@pytest.mark.parametrize("step", [0, 40_000_000])
def test_keyframes_come_back(count: int, step: int) -> None:
    """Which frames are keyframes survives, with times even or not; not noted stays not noted."""
    random = np.random.default_rng(count)
    uneven = np.cumsum(random.integers(10**7, 10**8, count))
    times = np.arange(count) * step if step else uneven - uneven[:1].sum()
    values = [random.uniform(0, 255, count).astype(np.float32) for _ in NAMES]
    keys = random.random(count) < 0.3
    found = Signals.unpack(Signals(times, *values, keys).pack())
    assert count == 0 or (found.keys is not None and found.keys.tolist() == keys.tolist())
    assert np.abs(found.times_ns - times).max(initial=0) <= EVEN_NS
    assert Signals.unpack(Signals(times, *values).pack()).keys is None


def test_arrays_of_unequal_length_are_refused() -> None:
    """A frame without one of its numbers is a mistake."""
    one, two = np.zeros(1, np.float32), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="unequal"):
        Signals(np.zeros(1, np.int64), one, one, two, one, one)
