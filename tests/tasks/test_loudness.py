"""Sound is measured where it sounds, and two cameras that heard one room get one clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.clocks.sync import CameraTrack, align
from tasks.containers.limits import Limits
from tasks.containers.wanted import Clock
from tasks.decode import Source, loudness
from tasks.ingest.scan import scan
from tasks.ingest.signals import Signals
from tasks.mux import Sound, write_video
from tasks.recordings.loudness import Loudness

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def room(seconds: float) -> np.ndarray:
    """Return irregular bursts of noise in silence: what a room sounds like, (n,) float32."""
    random = np.random.default_rng(4)
    samples = np.zeros(int(seconds * RATE), np.float32)
    at = 0.0
    while at < seconds - 0.3:
        first, length = int(at * RATE), int(random.uniform(0.05, 0.25) * RATE)
        samples[first : first + length] = random.normal(0, random.uniform(0.03, 0.2), length)
        at += random.uniform(0.3, 0.9)
    return samples


def recorded(path: Path, samples: np.ndarray) -> CameraTrack:
    """Write a grey picture with sound, and return what is known of it, its own noise added."""
    noise = np.random.default_rng(int(path.stem[-1])).normal(0, 0.003, len(samples))
    heard = (samples + noise).astype(np.float32)
    seconds = len(samples) // RATE
    grey = [np.full((32, 32, 3), 90, np.uint8)] * (25 * seconds)
    write_video(path, grey, rate=25, audio=Sound(heard[:, None], RATE))
    found = scan(Source(str(path)), Limits(pixels=1 << 20, frames=10_000))
    clock = Clock(found.start_pts, found.time_base_num, found.time_base_den)
    heard_again = loudness(Source(str(path)), clock, found.duration_ns)
    return CameraTrack(path.stem, found.signals, found.duration_ns, heard_again)


def test_sound_stands_where_it_sounds(tmp_path: Path) -> None:
    """A burst from 1 s to 1.5 s is loud there to a step or two, and its power is its own."""
    samples = np.zeros(3 * RATE, np.float32)
    samples[RATE : 3 * RATE // 2] = 0.25 * np.sin(np.arange(RATE // 2) * 2 * np.pi * 440 / RATE)
    found = recorded(tmp_path / "cam0.mp4", samples).loudness
    assert found is not None
    assert (found.start_ns, found.step_ns) == (0, SECOND_NS // 100)
    loud = np.flatnonzero(found.values > np.log(1e-3))
    assert (loud[0], loud[-1]) == (pytest.approx(100, abs=3), pytest.approx(149, abs=3))
    assert float(np.median(found.values[loud])) == pytest.approx(np.log(0.25**2 / 2), abs=0.2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_cameras_that_heard_one_room_get_one_clock(tmp_path: Path, suffix: str) -> None:
    """Nothing moves, two microphones: placed to 15 ms, by what was heard."""
    samples = room(16)
    first = recorded(tmp_path / f"cam0.{suffix}", samples[: 12 * RATE])
    second = recorded(tmp_path / f"cam1.{suffix}", samples[int(2.5 * RATE) : int(14.5 * RATE)])
    clock = align([first, second], max_offset_ns=6 * SECOND_NS)
    assert clock.status == "measured"
    assert [one.method for one in clock.cameras] == ["audio", "audio"]
    assert clock.cameras[1].offset_ns == pytest.approx(2.5 * SECOND_NS, abs=15_000_000)


def test_rooms_that_are_not_one_stay_unsynchronised(tmp_path: Path) -> None:
    """The first half of a sound is no clock for its second half."""
    samples = room(20)
    apart = [
        recorded(tmp_path / f"cam{k}.mp4", samples[10 * k * RATE : 10 * (k + 1) * RATE])
        for k in (0, 1)
    ]
    assert align(apart, max_offset_ns=6 * SECOND_NS).status == "unsynchronised"


def test_a_silent_film_has_no_loudness(tmp_path: Path) -> None:
    """No sound stream gives None; a file that is no video is refused as everywhere."""
    path = tmp_path / "mute.mp4"
    write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 5, rate=25)
    assert loudness(Source(str(path)), Clock(0, 1, 12_800), SECOND_NS) is None
    path.write_text("no video\n" * 99)
    with pytest.raises(MediaError):
        loudness(Source(str(path)), Clock(0, 1, 12_800), SECOND_NS)


def test_digital_silence_tells_nothing() -> None:
    """A microphone that was off does not make a clock of two cameras."""
    flat = Loudness(0, SECOND_NS // 100, np.full(1000, -18.4, np.float32))
    empty = still()
    tracks = [CameraTrack(name, empty, 10 * SECOND_NS, flat) for name in "ab"]
    assert align(tracks).status == "unsynchronised"


def still() -> Signals:
    """Return the signals of a picture in which nothing ever changes."""
    flat, none = np.zeros(250, np.float32), np.full(250, np.nan, np.float32)
    return Signals(np.arange(250) * 40_000_000, flat, flat, flat, none, none)
