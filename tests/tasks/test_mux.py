"""What is written is what was given: times, colours, rotation, sound; whole or not at all."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from infra.errors import DiskFullError
from tasks.containers.limits import Limits
from tasks.decode import Scale, Source, frames, probe
from tasks.ingest.scan import scan
from tasks.mux import AudioCopy, Sound, Written, write_still, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "odd" / "androidx"
RATE = 25
SOUND_RATE = 44_100
FULL = Scale("full", None, None)


@pytest.fixture(scope="module")
def moving() -> list[Pixels]:
    """Forty frames, 64 wide and 48 high, of a smooth pattern that slides right and down."""
    noise = np.random.default_rng(7).integers(0, 256, (128, 128, 1)).astype(np.uint8)
    pattern = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 30, 220, cv2.NORM_MINMAX)
    tinted = np.stack([pattern, 255 - pattern, pattern // 2 + 60], axis=-1).astype(np.uint8)
    return [tinted[k : k + 48, k : k + 64] for k in range(40)]


def scanned(path: Path) -> tuple[list[int], int]:
    """Return the frames' times in ns from the start of the file's clock, and how many are bad."""
    found = scan(Source(str(path)), Limits(pixels=1 << 24, frames=10_000))
    first_ns = found.start_pts * found.time_base_num * SECOND_NS // found.time_base_den
    return [first_ns + int(t) for t in found.signals.times_ns], found.frames_bad


def shown(path: Path) -> list[Pixels]:
    """Return the frames as displayed."""
    start_pts = scan(Source(str(path)), Limits(pixels=1 << 24, frames=10_000)).start_pts
    span = Span(0, 3600 * SECOND_NS)
    found = frames(Source(str(path)), span, (FULL,), start_pts=start_pts)
    return [frame.images["full"] for frame in found]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_same_frames_give_the_same_bytes(
    tmp_path: Path, moving: list[Pixels], name: str
) -> None:
    """Two runs write one digest, and another option another."""
    one = write_video(tmp_path / name, moving, rate=RATE)
    two = write_video(tmp_path / f"again_{name}", moving, rate=RATE)
    other = write_video(tmp_path / f"other_{name}", moving, rate=RATE, options={"crf": "30"})
    assert one == two
    assert one.digest != other.digest
    assert one.bytes == (tmp_path / name).stat().st_size


def test_a_constant_rate_is_kept(tmp_path: Path, moving: list[Pixels]) -> None:
    """Frame k of a 30000/1001 recording is shown at k x 1001 / 30000 seconds."""
    written = write_video(tmp_path / "ntsc.mp4", moving, rate=Fraction(30000, 1001))
    times, bad = scanned(tmp_path / "ntsc.mp4")
    assert times == [k * 1001 * SECOND_NS // 30000 for k in range(40)]
    assert bad == 0
    assert (written.frames, written.duration_ns) == (40, round(40 * 1001 * SECOND_NS / 30000))
    assert not written.has_audio


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3", "g": "12"}], ids=["plain", "B"])
def test_uneven_times_are_kept_to_the_tick(
    tmp_path: Path, moving: list[Pixels], options: dict[str, str]
) -> None:
    """Frames that begin late and come unevenly are shown when they were said to be."""
    steps = np.random.default_rng(3).integers(7, 120, 40).cumsum()
    told = [int(ms) * 1_000_000 for ms in steps]
    path = tmp_path / "uneven.mp4"
    write_video(path, zip(moving, told, strict=True), rate=RATE, options=options)
    assert scanned(path)[0] == told
    # Nanoseconds rounded down from a 90 kHz clock become that clock's ticks again.
    told = [int(ms) * 90 * SECOND_NS // 90_000 + 11_111 for ms in steps]
    frames_told = zip(moving, told, strict=True)
    write_video(path, frames_told, rate=RATE, options=options, time_base=(1, 90_000))
    assert scanned(path)[0] == told


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_rotation_tag_is_read_back(tmp_path: Path, moving: list[Pixels], rotation: int) -> None:
    """A player turns the stored pixels clockwise by the tag."""
    path = tmp_path / "turned.mp4"
    write_video(path, moving[:3], rate=RATE, rotation=rotation)
    assert probe(Source(str(path))).picture.rotation == rotation
    expected = np.rot90(moving[0], -rotation // 90)
    assert shown(path)[0].shape == expected.shape
    assert np.abs(shown(path)[0].astype(int) - expected).mean() < 8


@pytest.mark.parametrize(
    ("lines", "color_space", "color_range", "tags"),
    [
        (48, None, None, ("smpte170m", "tv")),
        (720, None, None, ("bt709", "tv")),
        (48, "bt709", "tv", ("bt709", "tv")),
        (48, "bt709", "pc", ("bt709", "pc")),
        (720, "bt470bg", None, ("bt470bg", "tv")),
        (48, "bt2020nc", "tv", ("bt2020nc", "tv")),
        (48, "no such matrix", None, ("smpte170m", "tv")),
    ],
)
def test_colours_come_back_by_their_tags(
    tmp_path: Path,
    lines: int,
    color_space: str | None,
    color_range: str | None,
    tags: tuple[str, str],
) -> None:
    """Saturated colours survive within 3 levels whichever matrix and range is asked for."""
    path = tmp_path / "colour.mp4"
    colours = np.array([[250, 10, 10], [10, 240, 20], [15, 20, 245], [128, 128, 128]], np.uint8)
    picture = np.ascontiguousarray(np.broadcast_to(np.repeat(colours, 16, 0), (lines, 64, 3)))
    write_video(
        path,
        [picture] * 2,
        rate=RATE,
        options={"crf": "1"},
        color_space=color_space,
        color_range=color_range,
    )
    header = probe(Source(str(path)))
    assert (header.picture.color_space, header.picture.color_range) == tags
    middles = shown(path)[0][lines // 2, 8::16].astype(int)
    assert np.abs(middles - colours).max() <= 3


def test_an_error_leaves_nothing_and_keeps_what_was_there(
    tmp_path: Path, moving: list[Pixels]
) -> None:
    """A source that fails half-way neither leaves a part nor touches the file of before."""
    path = tmp_path / "kept.mp4"
    before = write_video(path, moving[:5], rate=RATE)

    def failing() -> Iterator[Pixels]:
        yield from moving[:20]
        raise ConnectionError("the store went away")

    with pytest.raises(ConnectionError):
        write_video(path, failing(), rate=RATE)
    assert [found.name for found in tmp_path.iterdir()] == ["kept.mp4"]
    assert path.stat().st_size == before.bytes


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("name", ["full.mp4", "full.mkv"])
def test_a_full_disk_is_told_as_such(tmp_path: Path, moving: list[Pixels], name: str) -> None:
    """A device without room gives DiskFullError, and nothing is left."""
    (tmp_path / f"{name}.partial").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        write_video(tmp_path / name, moving, rate=RATE)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused(tmp_path: Path, moving: list[Pixels]) -> None:
    """No frames, odd sides, other sizes and times that stand still are the caller's mistakes."""
    path = tmp_path / "never.mp4"
    odd = [frame[:47] for frame in moving]
    with pytest.raises(ValueError, match="no frames"):
        write_video(path, [], rate=RATE)
    with pytest.raises(ValueError, match="even sides"):
        write_video(path, odd, rate=RATE)
    with pytest.raises(ValueError, match="among uint8"):
        write_video(path, [moving[0], moving[1][:46]], rate=RATE)
    with pytest.raises(ValueError, match="not later"):
        write_video(path, [(moving[0], 5_000_000), (moving[1], 5_000_100)], rate=RATE)
    with pytest.raises(ValueError, match="or none"):
        write_video(path, [(moving[0], 0), moving[1]], rate=RATE)
    assert list(tmp_path.iterdir()) == []
    assert write_video(path, odd, rate=RATE, pixel_format="yuv444p").frames == 40


def test_a_still_comes_back_exactly(tmp_path: Path, moving: list[Pixels]) -> None:
    """A PNG holds the very pixels."""
    write_still(tmp_path / "still.png", moving[3])
    read = cv2.imread(str(tmp_path / "still.png"))
    assert np.array_equal(read[..., ::-1], moving[3])


def loud_packets_s(path: Path, written: Written) -> list[float]:
    """Return when sound sets in, in seconds of the file's clock, from an mp4's own tables.

    Silence takes a few bytes a packet of 1,024 samples, a tone ten times as many.
    """
    whole = path.read_bytes()
    at = whole.rindex(b"stsz") + 12
    count = struct.unpack_from(">I", whole, at)[0]
    loud = np.array(struct.unpack_from(f">{count}I", whole, at + 4)) > 60
    assert written.audio_ns is not None
    first = written.audio_ns[0] / SECOND_NS
    starts = np.flatnonzero(loud & ~np.r_[False, loud[:-1]])
    return [float(first + k * 1024 / SOUND_RATE) for k in starts if k > 2]


@pytest.fixture(scope="module")
def beeping(
    tmp_path_factory: pytest.TempPathFactory, moving: list[Pixels]
) -> tuple[Path, list[float]]:
    """Four seconds with a beep of 100 ms half-way through each, and when its packets say so."""
    path = tmp_path_factory.mktemp("sound") / "beeping.mp4"
    t = np.arange(4 * SOUND_RATE) / SOUND_RATE
    tone = np.sin(2 * np.pi * 1000 * t) * ((t % 1 >= 0.5) & (t % 1 < 0.6)) * 0.5
    sound = Sound(np.stack([tone, tone], 1).astype(np.float32), SOUND_RATE)
    pictures = [moving[k % 40] for k in range(100)]
    written = write_video(path, pictures, rate=RATE, audio=sound)
    assert probe(Source(str(path))).claims.has_audio
    # A packet is loud from the first of the 2,048 samples that its window spans.
    loud = loud_packets_s(path, written)
    assert loud == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=2048 / SOUND_RATE)
    return path, loud


def test_sound_is_copied_in_sync(
    tmp_path: Path, beeping: tuple[Path, list[float]], moving: list[Pixels]
) -> None:
    """Beeps at 1.5 and 2.5 s are at .287 and 1.287 s of what is cut out from 1.213 to 3 s."""
    source, loud = beeping
    span = Span(1_213_000_000, 3_000_000_000)
    path = tmp_path / "part.mp4"
    audio = AudioCopy(Source(str(source)), span, 0)
    written = write_video(path, moving, rate=RATE, audio=audio)
    assert written.has_audio
    assert probe(Source(str(path))).claims.has_audio
    packet_ns = 1024 * SECOND_NS // SOUND_RATE
    assert written.audio_ns is not None
    # One packet to prime the decoder, and the ends as whole packets.
    assert -2 * packet_ns < written.audio_ns[0] <= 0
    assert 0 <= written.audio_ns[1] - span.duration_ns < packet_ns
    # The very packets, moved by the start of the span to the tick of their clock.
    expected = [t - 1.213 for t in loud[1:3]]
    assert loud_packets_s(path, written) == pytest.approx(expected, abs=2 / SOUND_RATE)


def test_a_source_without_sound_gives_none(tmp_path: Path, moving: list[Pixels]) -> None:
    """Nothing is made up, and no empty track is left."""
    silent = tmp_path / "silent.mp4"
    write_video(silent, moving, rate=RATE)
    audio = AudioCopy(Source(str(silent)), Span(0, SECOND_NS), 0)
    written = write_video(tmp_path / "out.mp4", moving, rate=RATE, audio=audio)
    assert not written.has_audio
    assert not probe(Source(str(tmp_path / "out.mp4"))).claims.has_audio


def test_sound_outside_the_span_gives_none(
    tmp_path: Path, beeping: tuple[Path, list[float]], moving: list[Pixels]
) -> None:
    """A span after the last sample has no sound rather than an empty track."""
    audio = AudioCopy(Source(str(beeping[0])), Span(5 * SECOND_NS, 6 * SECOND_NS), 0)
    written = write_video(tmp_path / "out.mp4", moving, rate=RATE, audio=audio)
    assert not written.has_audio
    assert not probe(Source(str(tmp_path / "out.mp4"))).claims.has_audio


@pytest.mark.parametrize("name", ["mp4/sample_ipcm_16be.mp4", "ts/sample_h264_mpeg_audio.ts"])
def test_sound_that_mp4_players_may_not_know_is_encoded_anew(
    tmp_path: Path, moving: list[Pixels], name: str
) -> None:
    """PCM and MP2 become AAC of the same length, and the same bytes each time."""
    if not (SAMPLES / name).exists():
        pytest.skip(f"real footage is absent: {SAMPLES / name}")
    source = Source(str(SAMPLES / name))
    found = scan(source, Limits(pixels=1 << 24, frames=1000))
    span = Span(0, min(found.duration_ns, 80_000_000))
    audio = AudioCopy(source, span, found.start_pts)
    written = write_video(tmp_path / "one.mp4", moving[:2], rate=RATE, audio=audio)
    again = write_video(tmp_path / "two.mp4", moving[:2], rate=RATE, audio=audio)
    assert written == again
    assert probe(Source(str(tmp_path / "one.mp4"))).claims.has_audio
    assert written.audio_ns is not None
    assert abs(written.audio_ns[1] - span.duration_ns) < 30_000_000
