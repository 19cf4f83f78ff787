"""Motion is compared at its own pace, whatever the frame rate and the contrast."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.span import SECOND_NS
from tasks.ingest.motion import STEP_NS, compare_motion, likeliest_lags, resample
from tasks.ingest.signals import Signals


def wave(t: np.ndarray, seed: int) -> np.ndarray:
    """Return a smooth course of its own, of a few levels, at some seconds."""
    random = np.random.default_rng(seed)
    rates, lags = random.uniform(1, 9, (5, 1)), random.uniform(0, 6, (5, 1))
    return np.asarray(np.sin(rates * t + lags).sum(axis=0))


def signals(seed: int, rate: float, seconds: float = 12.0, gain: float = 1.0) -> Signals:
    """Return what frames at a rate show of one course of events: change is what has passed."""
    t = np.arange(round(seconds * rate)) / rate
    speed = 20 + 4 * wave(t, seed + 1)
    values = (
        gain * speed / rate,
        100 + gain * 5 * wave(t, seed),
        40 + gain * 3 * wave(t, seed + 2),
        0.5 + 0.1 * wave(t, seed + 3),
        0.5 + 0.1 * wave(t, seed + 4),
    )
    times = np.round(t * SECOND_NS).astype(np.int64)
    return Signals(times, *(value.astype(np.float32) for value in values))


def agreement(one: Signals, other: Signals) -> float:
    """Compare two of the same clock over all they share."""
    a, b = resample(one), resample(other)
    size = min(a.shape[1], b.shape[1])
    return compare_motion(a[:, :size], b[:, :size]).agreement


def test_a_signal_keeps_its_level_on_the_grid() -> None:
    """Levels stay levels, change becomes a rate: what a second of frames sums up to."""
    count = 50
    level = np.full(count, 7, np.float32)
    times = np.arange(count, dtype=np.int64) * (SECOND_NS // 25)
    found = resample(Signals(times, level, 10 * level, level, np.full_like(level, 0.75), level))
    assert found.shape == (5, 49 * (SECOND_NS // 25) // STEP_NS + 1)
    assert found[0] == pytest.approx(70)
    assert found[1] == pytest.approx(7)
    assert found[2] == pytest.approx(7 * 25)
    assert found[3] == pytest.approx(7 * 25 * 0.25)


@pytest.mark.parametrize("rate", [8, 12.5, 24, 60])
def test_frame_rates_do_not_matter(rate: float) -> None:
    """The same events at another rate agree; other events do not, at any rate."""
    assert agreement(signals(1, 30), signals(1, rate)) > 0.9
    assert agreement(signals(1, 30), signals(100, rate)) < 0.5


def test_one_gain_for_all_signals_is_a_change_of_contrast() -> None:
    """Less contrast agrees; the same course at a third of the strength is another event."""
    assert agreement(signals(1, 25), signals(1, 25, gain=0.7)) > 0.98
    assert agreement(signals(1, 25), signals(1, 25, gain=0.3)) < 0.8


def test_where_nothing_moves_there_is_no_weight() -> None:
    """Noise of coding may agree by chance and counts for nothing."""
    random = np.random.default_rng(0)
    times = np.arange(100, dtype=np.int64) * STEP_NS
    nowhere = np.full(100, np.nan, np.float32)
    still = [
        Signals(times, *(random.normal(9, 0.03, (3, 100)).astype(np.float32)), nowhere, nowhere)
        for _ in range(2)
    ]
    assert compare_motion(*map(resample, still)).weight < 0.5
    moving = compare_motion(resample(signals(1, 25)), resample(signals(2, 25)))
    assert moving.weight > 4


@pytest.mark.parametrize("lag", [-210, -50, 0, 1, 77, 200])
def test_the_likeliest_lag_is_the_true_one(lag: int) -> None:
    """Whichever starts first, the lag that was cut is the first one named."""
    whole = resample(signals(1, 25, seconds=30))
    one, other = whole[:, 300:550], whole[:, 300 + lag : 550 + lag]
    assert likeliest_lags(one, other, 4)[0] == lag


def test_too_short_an_overlap_is_not_tried() -> None:
    """Under 1.5 s there is no lag to name."""
    whole = resample(signals(1, 25))
    assert likeliest_lags(whole[:, :30], whole, 4) == []
