"""A scan accounts for every frame, and what it measures is what the pictures show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.containers.limits import Limits
from tasks.decode import Source
from tasks.ingest.scan import Scan, difference_hash, scan
from tasks.mux import write_video

if TYPE_CHECKING:
    import numpy.typing as npt

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd"
RATE, COUNT, CUT = 25, 100, 40
GOP12 = {"preset": "veryfast", "x264-params": "bframes=3:keyint=12:min-keyint=12:scenecut=0"}


def moving() -> list[npt.NDArray[np.uint8]]:
    """Return frames 128 wide and 72 high that slide over one texture, and after `CUT` another."""
    random = np.random.default_rng(3)
    grounds = [
        cv2.normalize(
            cv2.GaussianBlur(random.integers(0, 256, (72, 260, 3)).astype(np.float32), (0, 0), 3),
            None,
            *limits,
            cv2.NORM_MINMAX,
        ).astype(np.uint8)
        for limits in ((0, 200), (80, 255))
    ]
    return [grounds[int(k >= CUT)][:, k : k + 128] for k in range(COUNT)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds at 25 frames/s with a cut, its index in front."""
    path = tmp_path_factory.mktemp("scanned") / "whole.mp4"
    write_video(path, moving(), rate=RATE, options=GOP12)
    return path


def scanned(path: Path) -> Scan:
    """Scan a file with room to spare."""
    return scan(Source(str(path)), Limits(pixels=1 << 26, frames=100_000))


def test_a_sound_recording_is_measured_as_it_is(whole: Path) -> None:
    """Times, length, rate and counts are those written; nothing is bad."""
    found = scanned(whole)
    assert found.signals.times_ns.tolist() == [k * SECOND_NS // RATE for k in range(COUNT)]
    assert (found.duration_ns, found.start_pts) == (4 * SECOND_NS, 0)
    assert (found.frames_header, found.frames_decoded, found.frames_bad) == (COUNT, COUNT, 0)
    assert (found.bad_spans, found.reason, found.is_vfr) == ([], None, False)
    assert found.header.claims.codec == "h264"
    assert "libavcodec" in found.decoder_build


def test_the_luma_changes_most_at_the_cut(whole: Path) -> None:
    """The change of a frame to the one before stands out at the cut, and is 0 for the first."""
    change = scanned(whole).signals.change
    assert change[0] == 0
    assert int(change.argmax()) == CUT
    assert change[CUT] > 4 * np.delete(change, CUT).max()


def test_there_are_four_hashes_a_second(whole: Path) -> None:
    """Hash k is that of the frame shown at k quarters of a second; another shot has another."""
    found = scanned(whole)
    assert (found.hashes.dtype, len(found.hashes)) == (np.dtype(np.uint64), 16)
    for quarter, value in enumerate(found.hashes.tolist()):
        picture = cv2.cvtColor(moving()[quarter * RATE // 4], cv2.COLOR_RGB2GRAY)
        small = cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA)
        assert int(value ^ difference_hash(small)).bit_count() <= 6
    assert int(found.hashes[2] ^ found.hashes[8]).bit_count() > 8


def test_a_cut_off_file_keeps_its_front_and_owns_up_to_the_rest(
    whole: Path, tmp_path: Path
) -> None:
    """What the index promised and never came is bad, and its span runs to the promised end."""
    half = tmp_path / "half.mp4"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = scanned(half)
    assert 0 < found.frames_decoded < COUNT
    assert found.frames_decoded + found.frames_bad == found.frames_header == COUNT
    assert found.reason == "truncated"
    assert found.bad_spans[-1].end_ns == 4 * SECOND_NS
    assert found.bad_spans[-1].start_ns <= found.duration_ns < 4 * SECOND_NS


def test_damage_in_the_middle_costs_its_groups_of_pictures(whole: Path, tmp_path: Path) -> None:
    """Faults and corrupt frames are bad until the next keyframe; counts add up."""
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(k * 37 & 255 for k in range(1500))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    found = scanned(path)
    assert found.frames_bad > 0
    assert found.reason in ("undecodable", "corrupt_frames", "no_frame")
    assert found.frames_decoded + found.frames_bad == found.frames_header == COUNT
    group_ns = 12 * SECOND_NS // RATE
    assert all(0 < span.duration_ns <= 3 * group_ns for span in found.bad_spans)
    assert all(span.end_ns % group_ns == 0 for span in found.bad_spans)
    assert not found.is_vfr


def test_a_variable_rate_is_told_from_rounded_times(whole: Path, tmp_path: Path) -> None:
    """Uneven steps make a rate variable; Matroska's milliseconds do not."""
    times = np.cumsum(np.random.default_rng(5).integers(20, 90, COUNT)).tolist()
    pictures = moving()
    uneven = [(p, t * 1_000_000) for p, t in zip(pictures, times, strict=True)]
    write_video(tmp_path / "uneven.mp4", uneven, rate=RATE, options=GOP12)
    write_video(tmp_path / "thirds.mkv", pictures, rate=30, options=GOP12)
    assert scanned(tmp_path / "uneven.mp4").is_vfr
    assert not scanned(tmp_path / "thirds.mkv").is_vfr
    assert not scanned(whole).is_vfr


def test_a_single_frame_is_a_recording(tmp_path: Path) -> None:
    """One frame lasts as long as the file says, and has one hash."""
    write_video(tmp_path / "one.mp4", moving()[:1], rate=RATE)
    found = scanned(tmp_path / "one.mp4")
    assert (found.frames_decoded, found.duration_ns) == (1, SECOND_NS // RATE)
    assert (len(found.hashes), found.is_vfr) == (1, False)


def test_a_file_whose_every_frame_fails_is_refused(whole: Path, tmp_path: Path) -> None:
    """A container that opens and gives nothing has the reason `no_frames`."""
    data = whole.read_bytes()
    at = data.index(b"mdat") + 4
    (tmp_path / "hollow.mp4").write_bytes(data[:at] + b"\xff" * (len(data) - at))
    with pytest.raises(MediaError) as refused:
        scanned(tmp_path / "hollow.mp4")
    assert refused.value.reason == "no_frames"


# Files that have been seen to fool readers: frames decoded, frames bad, reason.
TRAPS = {
    "decord/corrupted.mp4": (48, 2, "undecodable"),
    "decord/unordered.mov": (4, 0, None),
    "decord/video_90.mov": (3, 0, None),
    "androidx/mp4/sample_edit_list_only_preroll_sync_sample.mp4": (16, 0, None),
    "androidx/mp4/sample_with_fake_auxiliary_tracks.mp4": (5, 0, None),
    "androidx/mp4/sample_sef_slow_motion.mp4": (63, 0, None),
    "androidx/mp4/sample_fragmented.mp4": (30, 0, None),
    "androidx/ts/sample_h262_mpeg_audio.ts": (3, 0, None),
    "androidx/avi/sample-with-large-length.avi": (58, 0, None),
    "androidx/flv/sample-with-key-frame-index.flv": (71, 0, None),
}
REFUSED = {
    "androidx/mp4/video_dovi_3840x2160_30fps_dav1_10.mp4": "no_decoder",
    "androidx/mp4/sample_ac3.mp4": "no_video_stream",
    "androidx/cmaf/multi-segment/video_init.mp4": "no_frames",
    "androidx/drm/sample_fragmented_widevine.mp4": "encrypted",
    "androidx/mkv/subsample_encrypted_altref.webm": "no_frames",
    "androidx/vp9/invalid-bitstream.webm": "no_frames",
    "androidx/ts/sample_with_sdt.ts": "no_frames",
}
needs_odd_files = pytest.mark.skipif(
    not ODD.exists(), reason="needs the odd files of ../shared/data"
)


@needs_odd_files
@pytest.mark.parametrize("name", TRAPS)
def test_odd_files_lose_no_count(name: str) -> None:
    """Each known trap gives the frames it is known to have, and owns up to the rest."""
    found = scanned(ODD / name)
    assert (found.frames_decoded, found.frames_bad, found.reason) == TRAPS[name]
    assert found.frames_decoded + found.frames_bad >= found.frames_header
    assert bool(found.bad_spans) == bool(found.frames_bad)
    assert (np.diff(found.signals.times_ns) > 0).all()


@needs_odd_files
@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_files_are_refused_by_their_reason(name: str) -> None:
    """What holds no frame for us ends as a refusal, never as a crash or a hang."""
    with pytest.raises(MediaError) as refused:
        scanned(ODD / name)
    assert refused.value.reason == REFUSED[name]
