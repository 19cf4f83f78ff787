"""Files that lie, made here: each claim is forged into a sound recording, and is seen through.

The traps were met in files of others (`test_odd_files.py`); these have a truth known to the frame.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.decode import Limits, Scale, Source, sample
from tasks.ingest.scan import Scan, scan
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

WIDTH, HEIGHT = 96, 64


def sliding(count: int) -> list[npt.NDArray[np.uint8]]:
    """Return frames that slide over one texture, a pixel each."""
    noise = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH + count, 3))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 3)
    ground = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return [ground[:, k : k + WIDTH] for k in range(count)]


def forged(whole: Path, forge: Callable[[bytearray], None]) -> Path:
    """Write a copy of a file with some of its bytes changed."""
    data = bytearray(whole.read_bytes())
    forge(data)
    path = whole.with_stem("forged")
    path.write_bytes(data)
    return path


def remuxed(whole: Path, lost: set[int]) -> Path:
    """Write a copy of a file without some of its packets, counted in order of decoding."""
    path = whole.with_stem("remuxed")
    with av.open(str(whole)) as read, av.open(str(path), "w") as out:
        taken = read.streams.video[0]
        given = out.add_stream_from_template(taken)
        for number, packet in enumerate(read.demux(taken)):
            if packet.dts is not None and number not in lost:
                packet.stream = given
                out.mux(packet)
    return path


def scanned(path: Path) -> Scan:
    """Scan a file, once it is sure that the counts of its frames add up."""
    found = scan(Source(str(path)), Limits(pixels=1 << 20, frames=10_000))
    assert found.frames_decoded + found.frames_bad >= found.frames_header
    assert bool(found.frames_bad) == bool(found.bad_spans) == bool(found.reason)
    return found


def body(data: bytearray, name: bytes) -> int:
    """Return where what a box holds begins, past its version and flags."""
    return data.index(name) + 8


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 25 frames/s."""
    path = tmp_path_factory.mktemp("forged") / "whole.mp4"
    write_video(path, sliding(50), rate=25, options={"preset": "ultrafast"})
    return path


def test_nearly_all_frames_flagged_corrupt_keep_the_few_that_are_not(tmp_path: Path) -> None:
    """One lost reference spoils 850 of 864 frames: 14 are kept, and all others owned up to."""
    endless = {"x265-params": "keyint=-1:bframes=0:scenecut=0:log-level=none"}
    whole = tmp_path / "whole.mkv"
    write_video(whole, sliding(865), rate=24, codec="libx265", options=endless)
    found = scanned(remuxed(whole, {14}))
    assert (found.frames_decoded, found.frames_bad) == (14, 850)
    assert found.reason == "corrupt_frames"
    (span,) = found.bad_spans
    # Matroska counts milliseconds.
    assert abs(span.start_ns - 13 * SECOND_NS // 24) < 1_000_000
    assert abs(span.end_ns - 865 * SECOND_NS // 24) < 2_000_000


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("mpeg4", ".mkv"),
        ("mpeg4", ".avi"),
        ("msmpeg4v2", ".avi"),
        ("msmpeg4", ".avi"),
        ("wmv1", ".asf"),
        ("wmv2", ".asf"),
        ("flv", ".flv"),
    ],
)
def test_frames_before_the_first_keyframe_are_made_of_nothing(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    """A recording that begins amid a group has that group's rest bad, though it decodes."""
    whole = tmp_path / f"whole{suffix}"
    write_video(whole, sliding(40), rate=25, codec=codec, options={"g": "20", "sc_threshold": "0"})
    assert (scanned(whole).frames_decoded, scanned(whole).frames_bad) == (40, 0)
    late = remuxed(whole, {0})
    found = scanned(late)
    assert (found.frames_decoded, found.frames_bad) == (20, 19)
    assert found.reason == "corrupt_frames"
    (span,) = found.bad_spans
    assert span.end_ns == 0
    assert -21 <= span.start_ns * 25 / SECOND_NS <= -18  # AVI holds the lost frame's place
    # What is sampled is the keyframe and what follows, by plan or without.
    gray = [Scale("luma", None, None, "gray")]
    for plan in (True, False):
        (first,) = sample(Source(str(late)), [0], gray, start_pts=found.start_pts, plan=plan)
        (same,) = sample(Source(str(whole)), [20 * SECOND_NS // 25], gray, start_pts=0, plan=plan)
        assert np.array_equal(first.images["luma"], same.images["luma"])


def test_without_any_keyframe_nothing_is_kept(tmp_path: Path) -> None:
    """Frames predicted from what never came are none, whether the decoder says so or not."""
    for codec, options in {
        "mpeg4": {"g": "600"},
        "libx264": {"x264-params": "keyint=infinite:scenecut=0"},
        "libx265": {"x265-params": "keyint=-1:scenecut=0:log-level=none"},
    }.items():
        whole = tmp_path / "whole.mkv"
        write_video(whole, sliding(40), rate=25, codec=codec, options=options)
        with pytest.raises(MediaError, match="corrupt_frames") as refused:
            scanned(remuxed(whole, {0}))
        assert refused.value.reason == "no_frames"


@pytest.mark.parametrize("matrix", [b"\0" * 36, b"\x7f\xff\xff\xff" * 9, b"\x80\0\0\0" * 9])
def test_an_insane_rotation_turns_nothing(mp4: Path, matrix: bytes) -> None:
    """A display matrix that is no rotation (-2147483648 degrees, say) counts as none."""

    def forge(data: bytearray) -> None:
        at = body(data, b"tkhd") + 36
        data[at : at + 36] = matrix

    path = forged(mp4, forge)
    with av.open(str(path)) as container:
        told = next(container.decode(video=0)).rotation
    assert told == (-2147483648 if not any(matrix) else told)
    assert told % 90 or told < -360
    found = scanned(path)
    assert (
        found.header.picture.rotation,
        found.header.picture.width,
        found.header.picture.height,
    ) == (0, WIDTH, HEIGHT)
    assert (found.frames_decoded, found.frames_bad) == (50, 0)


def test_612_frames_a_second_by_a_forged_clock_last_as_long_as_their_times_say(mp4: Path) -> None:
    """A clock that runs too fast is all there is to go by: every frame is kept, on that clock."""

    def forge(data: bytearray) -> None:
        at = body(data, b"mdhd") + 8
        ticks = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (ticks * 612 // 25).to_bytes(4, "big")

    found = scanned(forged(mp4, forge))
    assert Fraction(found.header.claims.rate_num, found.header.claims.rate_den) == 612
    assert (found.frames_decoded, found.frames_bad) == (50, 0)
    assert abs(found.duration_ns - 50 * SECOND_NS // 612) < 100_000
    assert (np.diff(found.signals.times_ns) > 0).all()


def test_612_frames_a_second_in_the_header_alone_are_a_claim(tmp_path: Path) -> None:
    """Where frames have times of their own, those count: two seconds stay two seconds."""
    whole = tmp_path / "whole.mkv"
    write_video(whole, sliding(50), rate=25, options={"preset": "ultrafast"})

    def forge(data: bytearray) -> None:
        at = data.index(bytes.fromhex("23e383")) + 3  # DefaultDuration, ns a frame
        size = data[at] & 0x7F
        data[at + 1 : at + 1 + size] = (SECOND_NS // 612).to_bytes(size, "big")

    found = scanned(forged(whole, forge))
    assert Fraction(found.header.claims.rate_num, found.header.claims.rate_den) == 612
    assert (found.frames_decoded, found.frames_bad, found.is_vfr) == (50, 0, False)
    assert abs(found.duration_ns - 2 * SECOND_NS) < 2_000_000


def no_sizes(data: bytearray) -> None:
    """Say of every sample that it has no bytes."""
    at = body(data, b"stsz") + 4
    count = int.from_bytes(data[at : at + 4], "big")
    data[at + 4 : at + 4 + 4 * count] = bytes(4 * count)


def far_away(data: bytearray) -> None:
    """Say of every chunk that it begins past the end of the file."""
    at = body(data, b"stco")
    count = int.from_bytes(data[at : at + 4], "big")
    data[at + 4 : at + 4 + 4 * count] = (1 << 31).to_bytes(4, "big") * count


def no_contents(data: bytearray) -> None:
    """Leave the index and take what it speaks of."""
    del data[body(data, b"mdat") - 4 :]


def zeros(data: bytearray) -> None:
    """Leave nothing but zeros of the pictures."""
    at = body(data, b"mdat") - 4
    data[at:] = bytes(len(data) - at)


def all_hidden(data: bytearray) -> None:
    """Let the edit list begin after the last frame."""
    at = body(data, b"elst") + 8
    data[at : at + 4] = (0x7FFFFFFF).to_bytes(4, "big")


@pytest.mark.parametrize(
    "forge", [no_sizes, far_away, no_contents, zeros, all_hidden], ids=lambda forge: forge.__name__
)
def test_minutes_that_are_promised_and_hold_nothing_are_refused(
    tmp_path: Path, forge: Callable[[bytearray], None]
) -> None:
    """A header of 231 s over no frame at all is no recording of no length: it is `no_frames`."""
    whole = tmp_path / "whole.mp4"
    write_video(whole, sliding(231), rate=1, options={"preset": "ultrafast"})
    assert scanned(whole).duration_ns == 231 * SECOND_NS
    path = forged(whole, forge)
    with av.open(str(path)) as container:
        assert container.duration == 231_000_000
    with pytest.raises(MediaError, match="no frame decodes") as refused:
        scanned(path)
    assert refused.value.reason == "no_frames"
