"""A clip's sound stands where it sounds, whatever else is asked for; what is missing is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.decode import Source
from tasks.mux import Sound as Heard
from tasks.mux import write_video
from tasks.recordings.hearing import clip_sounds
from tasks.recordings.sound import RATE
from tasks.recordings.subtitles import clip_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.recordings.sound import Sound

DATA = Path(__file__).parents[2].parent / "shared" / "data"
GREY = np.full((32, 32, 3), 90, np.uint8)


def tone(seconds: float, hz: float = 440, rate: int = RATE) -> npt.NDArray[np.float32]:
    """Return a sine at a quarter of full scale, (n,)."""
    return (0.25 * np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * hz / rate)).astype(
        np.float32
    )


def film(path: Path, samples: npt.NDArray[np.float32], seconds: int, rate: int = RATE) -> Source:
    """Write a grey picture of `seconds` with sound: (n,) or (n, channels)."""
    heard = Heard(samples.reshape(len(samples), -1), rate)
    write_video(path, [GREY] * (25 * seconds), rate=25, audio=heard)
    return Source(str(path))


def grid(start_s: float, end_s: float) -> npt.NDArray[np.int64]:
    """Return the instants of a clip on the recording clock."""
    return np.arange(int(start_s * SECOND_NS), int(end_s * SECOND_NS), 80_000_000, dtype=np.int64)


def heard(source: Source, *grids: npt.NDArray[np.int64]) -> list[Sound]:
    """Return the sound of clips of a recording that has some."""
    found = list(clip_sounds(source, grids, start_pts=0))
    assert None not in found
    return [one for one in found if one is not None]


@pytest.mark.parametrize(("suffix", "rate"), [("mp4", 16_000), ("mkv", 44_100), ("ts", 48_000)])
def test_a_burst_is_heard_in_the_steps_in_which_it_sounds(
    tmp_path: Path, suffix: str, rate: int
) -> None:
    """A tone from 6 s to 7 s, in both ears, starts there to 3 ms in a clip that starts at 5.6 s."""
    samples = np.zeros((9 * rate, 2), np.float32)
    samples[6 * rate : 7 * rate] = tone(1, rate=rate)[:, None]
    source = film(tmp_path / f"film.{suffix}", samples, 9, rate)
    start = 0 if suffix != "ts" else first_pts(source)
    (found,) = clip_sounds(source, [grid(5.6, 8)], start_pts=start)
    assert found is not None
    assert found.heard.all()
    loud = np.flatnonzero(np.abs(found.samples) > 0.1) - found.at[0]
    assert loud[0] / RATE == pytest.approx(0.4, abs=0.003)
    assert loud[-1] / RATE == pytest.approx(1.4, abs=0.003)
    middle = found.samples[found.at[0] + loud[0] : found.at[0] + loud[-1]]
    assert float(np.sqrt(np.mean(middle**2))) == pytest.approx(0.25 / np.sqrt(2), rel=0.02)


def first_pts(source: Source) -> int:
    """Return the pts of the first frame of any recording."""
    from tasks.decode import Decoded, Limits, decode_all

    first = next(decode_all(source, Limits()))
    assert isinstance(first, Decoded)
    return first.pts


def test_a_clip_sounds_the_same_whatever_else_is_asked_for(tmp_path: Path) -> None:
    """Noise, which AAC codes with noise of its own: to the bit, alone and as the third of three."""
    noise = np.random.default_rng(1).normal(0, 0.1, 12 * RATE).astype(np.float32)
    source = film(tmp_path / "film.mp4", noise, 12)
    grids = [grid(1, 4), grid(4, 7), grid(8, 11)]
    for one, again in zip(heard(source, *grids), [heard(source, g)[0] for g in grids], strict=True):
        assert np.array_equal(one.samples, again.samples)
        assert np.array_equal(one.at, again.at)


def test_a_packed_recording_sounds_as_it_does_unpacked(tmp_path: Path) -> None:
    """Deflated in a zip, whose bytes are unpacked once, the clips are the same to the bit."""
    source = film(tmp_path / "film.mkv", tone(6), 6)
    with ZipFile(tmp_path / "films.zip", "w", ZIP_DEFLATED) as out:
        out.write(source.uri, "film.mkv")
    packed = Source(str(tmp_path / "films.zip"), member="film.mkv")
    grids = [grid(1, 2), grid(3, 4), grid(5, 5.5)]
    for one, again in zip(heard(source, *grids), heard(packed, *grids), strict=True):
        assert np.array_equal(one.samples, again.samples)


def test_timestamps_in_milliseconds_make_no_buzz(tmp_path: Path) -> None:
    """What is beside a tone is 50 dB below it in Matroska too; it was .001 with every gap kept."""
    source = film(tmp_path / "film.mkv", tone(8, 1000, 44_100), 8, 44_100)
    (found,) = heard(source, grid(2, 7))
    part = found.samples[found.at[0] : found.at[0] + 4 * RATE]
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    beside = power.sum() - power[3990:4011].sum()
    assert 10 * np.log10(beside / power.sum()) < -49


def test_where_there_is_no_sound_it_is_said(tmp_path: Path) -> None:
    """Before the recording and after its sound has ended nothing is heard; zeros stand there."""
    source = film(tmp_path / "film.mp4", tone(3), 6)
    first, last = heard(source, grid(0, 1), grid(2, 5))
    assert not first.heard[: first.at[0]].any()
    assert first.heard[first.at[1] : first.at[-1]].all()
    end = last.at[0] + RATE  # 3 s
    assert last.heard[last.at[0] : end].all()
    assert not last.heard[end + RATE // 10 :].any()
    assert not last.samples[~last.heard].any()
    (behind,) = heard(source, grid(5.5, 5.9))
    assert not behind.heard.any()


def test_a_recording_without_sound_has_none(tmp_path: Path) -> None:
    """Of a silent film every clip's sound is None."""
    write_video(tmp_path / "mute.mp4", [GREY] * 50, rate=25)
    source = Source(str(tmp_path / "mute.mp4"))
    assert list(clip_sounds(source, [grid(0, 1), grid(1, 2)], start_pts=0)) == [None, None]


def test_a_clock_that_drifts_is_in_the_place_of_the_steps(tmp_path: Path) -> None:
    """Steps that are 1 % longer on the recording's clock lie 1 % further apart in its samples."""
    source = film(tmp_path / "film.mp4", tone(4), 4)
    (found,) = heard(source, np.arange(20, dtype=np.int64) * 80_800_000)
    assert np.array_equal(np.diff(found.at), np.diff(np.rint(np.arange(20) * 1292.8)))


def test_damage_ends_the_sound_and_is_no_error(tmp_path: Path) -> None:
    """A file whose second half is noise is heard in its first half at least a little."""
    source = film(tmp_path / "film.ts", tone(8), 8)
    data = bytearray(Path(source.uri).read_bytes())
    half = len(data) // 2
    data[half:] = np.random.default_rng(2).integers(0, 256, len(data) - half, np.uint8).tobytes()
    Path(source.uri).write_bytes(data)
    start = first_pts(source)
    first, last = clip_sounds(source, [grid(0.5, 2), grid(6, 7.5)], start_pts=start)
    assert first is not None
    assert first.heard[first.at[0] :].mean() > 0.9
    assert last is None or last.heard.mean() < 0.5


def test_an_index_that_cannot_be_sought_in_costs_no_sound() -> None:
    """An AVI whose index flags no packet of sound refuses to seek, and is read from its start."""
    path = DATA / "odd/androidx/avi/sample-unflagged-audio-keyframes.avi"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    (found,) = heard(Source(str(path)), grid(2.8, 3.6))
    assert found.heard[found.at[0] : found.at[-1]].all()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_whatever_is_damaged_is_heard_or_refused(tmp_path: Path, suffix: str) -> None:
    """Of 20 files with bytes overwritten at random each gives sound, None, or one typed refusal."""
    source = film(tmp_path / f"film.{suffix}", tone(3), 3)
    whole, random = Path(source.uri).read_bytes(), np.random.default_rng(7)
    for _ in range(20):
        data = np.frombuffer(whole, np.uint8).copy()
        data[random.integers(0, len(data), 40)] = random.integers(0, 256, 40)
        Path(source.uri).write_bytes(data.tobytes())
        try:
            found = list(clip_sounds(source, [grid(0, 1), grid(1.5, 2.5)], start_pts=0))
            words = clip_words(source, [Span(0, SECOND_NS)], start_pts=0)
        except MediaError:
            continue
        assert len(found) == 2
        assert len(words) == 1
        assert all(one is None or np.isfinite(one.samples).all() for one in found)
