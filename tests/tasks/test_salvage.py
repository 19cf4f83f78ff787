"""What is readable of a damaged recording is kept, and what is kept is right."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span, subtract
from infra.errors import MediaError
from tasks.clocks.clock import CameraClock
from tasks.containers.salvage import Account
from tasks.containers.wanted import Clock
from tasks.decode import Limits, Scale, Source, frames, open_container
from tasks.ingest.scan import Scan, scan
from tasks.mux import Sound, write_video
from tasks.sessions.clips import Take, cut_clips

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

RATE, COUNT, BITS = 25, 96, 8
STEP_NS = SECOND_NS // RATE
LUMA = (Scale("luma", None, None, "gray"),)


def x264(keyint: int, b_frames: int) -> dict[str, str]:
    """Return fast x264 options with groups of a fixed length."""
    given = f"scenecut=0:keyint={keyint}:min-keyint={keyint}:bframes={b_frames}"
    return {"preset": "veryfast", "x264-params": given}


def numbered(count: int = COUNT) -> list[Pixels]:
    """Return frames 128 x 96 over a sliding texture that carry their number in black and white."""
    noise = np.random.default_rng(3).integers(0, 256, (96, 420, 3)).astype(np.float32)
    ground = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    made = []
    for k in range(count):
        frame = ground[:, 2 * k : 2 * k + 128].astype(np.uint8)
        for bit in range(BITS):
            frame[:16, 16 * bit : 16 * bit + 16] = 235 if k >> bit & 1 else 20
        made.append(frame)
    return made


def number_of(luma: Pixels) -> int:
    """Read a frame's number."""
    cells = [luma[4:12, 16 * bit + 4 : 16 * bit + 12].mean() > 128 for bit in range(BITS)]
    return sum(1 << bit for bit, is_set in enumerate(cells) if is_set)


def shown(path: Path, found: Scan) -> dict[int, tuple[int, bytes]]:
    """Return pts and pixels of each frame that can be had outside bad spans, by its number."""
    kept = {}
    for frame in frames(Source(str(path)), Span(0, 1 << 50), LUMA, start_pts=found.start_pts):
        if not any(span.contains(frame.t_ns) for span in found.bad_spans):
            luma = frame.images["luma"]
            kept[number_of(luma)] = (frame.pts, luma.tobytes())
    return kept


def wrong(
    kept: dict[int, tuple[int, bytes]], truth: dict[int, tuple[int, bytes]], name: str = ""
) -> list[int]:
    """Return which frames are not as they were: the pixels, and the time where there are times."""
    untimed = name.endswith(".avi")
    return [k for k in kept if truth[k][untimed:] != kept[k][untimed:]]


def scanned(path: Path) -> Scan:
    """Scan a file with room to spare."""
    return scan(Source(str(path)), Limits())


def naive(path: Path) -> int:
    """Count what the usual loop keeps of a file."""
    kept = 0
    with open_container(Source(str(path))) as container, suppress(OSError, ValueError):
        for _ in container.decode(video=0):
            kept += 1
    return kept


def overwritten(data: bytes, start: float, share: float, fill: bytes | None = None) -> bytes:
    """Return the bytes with a share of them overwritten, by noise unless `fill` is given."""
    at, length = int(len(data) * start), int(len(data) * share)
    noise = random.Random(5).randbytes(length) if fill is None else fill * length
    return data[:at] + noise + data[at + length :]


def test_what_damage_reaches_is_found_in_decoding_order() -> None:
    """A lost P picture takes B pictures shown before it along, nothing past the next key."""
    account = Account()
    for pts in (0, 3, 1, 2, 6, 4, 5, 9, 12, 10, 11):
        account.packet(pts, clean=pts in (0, 9))
    for pts in (0, 1, 2, 3, 9, 10, 11, 12):
        account.good(pts, key=pts in (0, 9))
    for pts in (6, 4, 5):
        account.bad(pts, "undecodable")
    clock = Clock(0, 1, 1)
    # The packet before the first bad one is distrusted: 2, so the span starts there.
    assert account.bad_spans(clock, 13 * SECOND_NS, SECOND_NS) == [
        Span(2 * SECOND_NS, 9 * SECOND_NS)
    ]
    assert (account.frames_bad, account.reason) == (3, "undecodable")


def test_a_damaged_keyframe_costs_its_group_and_a_refresh_is_no_keyframe() -> None:
    """What the decoder calls key without a clean packet ends no bad span."""
    account = Account()
    for pts in range(9):
        account.packet(pts, clean=pts in (0, 3, 6))
    for pts in (0, 1, 2, 5, 6, 7, 8):
        account.good(pts, key=pts in (0, 5, 6))
    account.bad(3, "undecodable")
    account.bad(4, "undecodable")
    spans = account.bad_spans(Clock(0, 1, 1), 9 * SECOND_NS, SECOND_NS)
    assert spans == [Span(2 * SECOND_NS, 6 * SECOND_NS)]


@pytest.mark.parametrize("fill", [None, b"\0", b"\xff"], ids=["noise", "zeros", "ones"])
def test_the_readable_frames_around_a_damaged_middle_are_kept(
    tmp_path: Path, fill: bytes | None
) -> None:
    """Of 40 frames with 15 % of the bytes overwritten, all but those are got, and right."""
    path, damaged = tmp_path / "whole.mp4", tmp_path / "damaged.mp4"
    write_video(path, numbered(40), rate=RATE, options=x264(4, 0))
    damaged.write_bytes(overwritten(path.read_bytes(), 0.425, 0.15, fill))
    found, truth = scanned(damaged), shown(path, scanned(path))
    assert found.frames_decoded + found.frames_bad == found.frames_header == 40
    assert found.frames_decoded >= 32
    kept = shown(damaged, found)
    # The damage lies in groups 4 to 6 of ten; the packet before it is distrusted.
    assert kept.keys() >= {*range(15), *range(28, 40)}
    assert wrong(kept, truth) == []
    assert naive(damaged) < found.frames_decoded


CASES = {
    "h264.mp4": ("libx264", x264(12, 3)),
    "h264.mkv": ("libx264", x264(12, 3)),
    "h264.ts": ("libx264", x264(12, 3)),
    "h264.flv": ("libx264", x264(12, 2)),
    "h264.avi": ("libx264", x264(12, 0)),
    "hevc.ts": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=12"}),
    "mpeg2.vob": ("mpeg2video", {"g": "12", "bf": "2"}),
    "mpeg4.mp4": ("mpeg4", {"g": "12", "bf": "2"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_damaged_middle_costs_no_other_group(tmp_path: Path, name: str) -> None:
    """In each container all but the groups around the damage are kept, each frame as it was.

    AVI keeps no times: behind the damage its frames are right, and earlier than they were. The
    usual loop keeps the wrong ones too, where it does not end at the first fault.
    """
    codec, options = CASES[name]
    path, damaged = tmp_path / name, tmp_path / f"damaged_{name}"
    write_video(path, numbered(), rate=RATE, codec=codec, options=options)
    truth = shown(path, scanned(path))
    assert sorted(truth) == list(range(COUNT))
    damaged.write_bytes(overwritten(path.read_bytes(), 0.5, 0.08))
    found = scanned(damaged)
    kept = shown(damaged, found)
    assert wrong(kept, truth, name) == []
    assert len(kept) >= COUNT - 4 * 12
    assert found.frames_bad > 0
    assert found.reason in ("undecodable", "corrupt_frames", "no_frame", "demux_error", "truncated")


@pytest.mark.parametrize("name", CASES)
def test_a_file_cut_in_half_keeps_its_front(tmp_path: Path, name: str) -> None:
    """What was written before the cut is had, index or none, and each frame is right."""
    codec, options = CASES[name]
    path, half = tmp_path / name, tmp_path / f"half_{name}"
    write_video(path, numbered(), rate=RATE, codec=codec, options=options)
    truth = shown(path, scanned(path))
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    kept = shown(half, scanned(half))
    assert wrong(kept, truth, name) == []
    assert len(kept) >= 12
    assert min(kept) == 0


def test_an_mp4_whose_index_was_never_written_says_so(tmp_path: Path) -> None:
    """A recording whose camera lost power is told from a file that is no video."""
    path = tmp_path / "whole.mp4"
    write_video(path, numbered(), rate=RATE, container_options={"movflags": "-faststart"})
    (tmp_path / "unfinished.mp4").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError) as refused:
        scanned(tmp_path / "unfinished.mp4")
    assert refused.value.reason == "index_lost"


def test_damage_to_the_sound_is_no_damage_to_the_picture(tmp_path: Path) -> None:
    """With every audio packet overwritten, no frame is bad and every frame is as it was."""
    path, damaged = tmp_path / "heard.mp4", tmp_path / "damaged.mp4"
    samples = np.random.default_rng(1).normal(0, 0.1, (4 * 48_000, 1)).astype(np.float32)
    write_video(path, numbered(), rate=RATE, options=x264(12, 3), audio=Sound(samples, 48_000))
    data = bytearray(path.read_bytes())
    with open_container(Source(str(path))) as container:
        places = [(p.pos, p.size) for p in container.demux(audio=0) if p.size]
    for at, size in places:
        data[at : at + size] = random.Random(at).randbytes(size)
    damaged.write_bytes(data)
    found = scanned(damaged)
    assert (found.frames_decoded, found.frames_bad, found.bad_spans) == (COUNT, 0, [])
    assert shown(damaged, found) == shown(path, scanned(path))


def test_clips_never_cross_a_bad_span(tmp_path: Path) -> None:
    """Clips of a damaged recording lie in what is left of it, and fill that."""
    path, damaged = tmp_path / "whole.mp4", tmp_path / "damaged.mp4"
    write_video(path, numbered(), rate=RATE, options=x264(12, 3))
    damaged.write_bytes(overwritten(path.read_bytes(), 0.5, 0.05))
    found = scanned(damaged)
    take = Take("cam0", "r", CameraClock(), found.duration_ns, (), tuple(found.bad_spans))
    clips = cut_clips([take], 2 * STEP_NS, STEP_NS)
    good = subtract(Span(0, found.duration_ns), found.bad_spans)
    assert found.bad_spans
    assert all(any(span.covers(clip.span) for span in good) for clip in clips)
    assert sum(clip.span.duration_ns for clip in clips) == sum(span.duration_ns for span in good)


def test_what_the_container_knows_to_be_torn_is_not_called_good(tmp_path: Path) -> None:
    """Packets lost from a transport stream, and holes of zeros, are bad although they decode."""
    path = tmp_path / "whole.ts"
    write_video(path, numbered(), rate=RATE, options=x264(12, 3))
    data = path.read_bytes()
    video = [at for at in range(0, len(data), 188) if data[at + 1 : at + 3] == b"\x01\x00"]
    at = video[len(video) // 2]  # within a picture: 0x4100 would start one
    (tmp_path / "gap.ts").write_bytes(data[:at] + data[at + 188 :])
    found = scanned(tmp_path / "gap.ts")
    truth, kept = shown(path, scanned(path)), shown(tmp_path / "gap.ts", found)
    assert found.frames_bad > 0
    assert wrong(kept, truth) == []
    assert len(kept) >= COUNT - 2 * 12
