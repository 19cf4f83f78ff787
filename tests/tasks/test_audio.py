"""What the view *audio* says of sounds that are known: a tone, noise, silence, a narrator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.decode import Source
from tasks.recordings.hearing import clip_sounds
from tasks.recordings.sound import RATE, Sound
from tasks.views.audio import BANDS, FLOOR_DB, PARTS, SPEC, STEP, AudioKind, mel_centres
from tasks.views.packing import values
from tasks.views.view import DecodedClip, Feature, View

NASA = Path(__file__).parents[2].parent / "shared/data/single/nasa_13013.mp4"
STEPS, LEAD = 12, RATE // 2


@pytest.fixture(scope="module")
def view(weights: Path) -> View:
    """The view as a worker loads it."""
    kind = AudioKind()
    kind.prepare(weights, {})
    return kind.load(weights, 1, {})


def clip(samples: npt.NDArray[np.float32] | None) -> DecodedClip:
    """Return a clip of `STEPS` steps that sounds like this, half a second before it included."""
    times = np.arange(STEPS, dtype=np.int64) * 80_000_000
    at = LEAD + STEP * np.arange(STEPS)
    sound = None if samples is None else Sound(samples, np.ones(len(samples), bool), at)
    return DecodedClip(times, np.ones(STEPS, bool), {}, (64, 64), sound)


def seconds() -> npt.NDArray[np.float64]:
    """Return the time of each sample of `clip`."""
    return np.arange(LEAD + STEPS * STEP + 640) / RATE


def decibels(feature: Feature) -> npt.NDArray[np.float64]:
    """Return the level of each band at each fifth of a step, in time: (bands, T * parts)."""
    found = values(feature, 0).astype(float) + FLOOR_DB
    return found.transpose(1, 0, 2).reshape(BANDS, STEPS * PARTS)


@pytest.mark.parametrize("hz", [150, 440, 1000, 3000, 7000])
@pytest.mark.parametrize("level", [0, -30, -60])
def test_a_tone_lights_its_band_at_its_level(view: View, hz: int, level: int) -> None:
    """The loudest band is the one next to the tone, and all bands add up to it within .5 dB."""
    sine = 10 ** (level / 20) * np.sin(2 * np.pi * hz * seconds())
    levels = decibels(view.compute(clip(sine.astype(np.float32))))
    nearest = np.argsort(np.abs(mel_centres()[1:-1] - hz))[:2]
    assert set(levels.argmax(axis=0).tolist()) <= set(nearest.tolist())
    total = 10 * np.log10((10 ** (levels / 10)).sum(axis=0))
    assert total == pytest.approx(level, abs=0.5)


def test_white_noise_is_flat(view: View) -> None:
    """Per hertz every band is as loud as every other, to 2 dB over a second, at its own level."""
    noise = np.random.default_rng(3).normal(0, 0.1, len(seconds())).astype(np.float32)
    power = (10 ** (decibels(view.compute(clip(noise))) / 10)).mean(axis=1)
    hz = mel_centres()
    density = 10 * np.log10(power / ((hz[2:] - hz[:-2]) / 2))
    # Twice the variance (a full-scale sine has 1/2), spread over 8 kHz.
    assert density == pytest.approx(10 * np.log10(2 * 0.1**2 / 8000), abs=2)


def test_a_click_is_in_its_part_of_its_step(view: View) -> None:
    """A click 50 ms into the sixth step is in the third of its four parts."""
    samples = np.zeros(len(seconds()), np.float32)
    samples[LEAD + 5 * STEP + 800] = 1
    loudest = decibels(view.compute(clip(samples))).sum(axis=0).argmax()
    assert loudest == 5 * PARTS + 2


def test_silence_is_a_fact_and_no_sound_is_none(view: View) -> None:
    """Zeros that were recorded are usable and at the floor; without sound nothing is, and why."""
    silent = view.compute(clip(np.zeros(len(seconds()), np.float32)))
    assert silent.mask.all()
    assert not silent.arrays[0].any()
    assert values(silent, 1).max() < 0.1
    mute = view.compute(clip(None))
    assert (mute.mask.any(), mute.absent) == (False, "the recording has no sound")
    assert [array.shape[1:] for array in mute.arrays] == [one.shape for one in SPEC.arrays]


def test_where_sound_is_missing_the_step_is_masked(view: View) -> None:
    """A gap is not silence: its steps are masked and zero, those beside it are usable."""
    whole = clip(np.full(len(seconds()), 0.1, np.float32))
    assert whole.sound is not None
    heard = whole.sound.heard.copy()
    heard[LEAD + 3 * STEP : LEAD + 5 * STEP] = False
    found = view.compute(replace(whole, sound=replace(whole.sound, heard=heard)))
    assert np.flatnonzero(~found.mask).tolist() == [3, 4]
    assert not found.arrays[0][3:5].any()
    gone = replace(whole.sound, heard=np.zeros_like(heard))
    assert view.compute(replace(whole, sound=gone)).absent


def test_a_narrator_speaks_and_a_tone_does_not(view: View) -> None:
    """NASA's narrator: more than .9 where he speaks, less than .1 before; a tone less than .1."""
    sine = (0.3 * np.sin(2 * np.pi * 440 * seconds())).astype(np.float32)
    assert values(view.compute(clip(sine)), 1).mean() < 0.1
    if not NASA.exists():
        pytest.skip(f"{NASA} is not here")
    grid = np.arange(0, 8 * 10**9, 80_000_000, dtype=np.int64)
    (sound,) = clip_sounds(Source(str(NASA)), [grid], start_pts=0)
    film = DecodedClip(grid, np.ones(len(grid), bool), {}, (64, 64), sound)
    speech = values(view.compute(film), 1)[:, 0]
    # He says his first word .7 s into the film, and four lines without a long breath.
    assert speech[1:7].mean() < 0.1
    assert speech[12:40].mean() > 0.9
