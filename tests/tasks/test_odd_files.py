"""Files that have fooled readers end with the outcome they are known to deserve, and soon."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from apart import Apart
from ordinary_user import open_folder, run_as_ordinary_user

from infra.errors import MediaError
from tasks.decode import Limits, Source
from tasks.ingest.scan import scan
from tasks.ingest.scanner import ScanWork, scan_file
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd"
DATA = ODD.parent
needs_odd_files = pytest.mark.skipif(
    not ODD.exists(), reason="needs the odd files of ../shared/data"
)
# What a scan may call a refusal of a file that is no defect of ours.
REFUSALS = {
    "no_video_stream", "not_a_video", "no_frames", "encrypted", "no_decoder", "empty_file",
    "index_lost", "limit_bytes", "limit_pixels", "limit_frames", "limit_duration",
}  # fmt: skip
# These take 12 to 100 s of CPU each: 6 minutes of 1080p, and of 4K.
LONG = ("long_1080p_av1.mp4", "long_1080p_videoonly_lowbitrate.mp4", "long_4k_av1.mp4")


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    """A scanning process of its own: a native crash or hang would be seen."""
    with Apart(deadline_s=240) as process:
        yield process


def odd_files() -> list[Any]:
    """Return every odd file, the slow ones marked long."""
    if not ODD.exists():
        return []
    names = sorted(str(path.relative_to(ODD)) for path in ODD.rglob("*") if path.is_file())
    return [
        pytest.param(name, marks=pytest.mark.long if Path(name).name in LONG else ())
        for name in names
    ]


def judged(answer: dict[str, Any]) -> list[str]:
    """Return each stream's outcome, once it is sure that it is a lawful one."""
    assert "lost" not in answer, answer
    ends = []
    for scan_or_refusal in answer["found"]:
        if "refused" in scan_or_refusal:
            assert scan_or_refusal["refused"] in REFUSALS
            ends.append(scan_or_refusal["refused"])
            continue
        good, bad = scan_or_refusal["frames_decoded"], scan_or_refusal["frames_bad"]
        assert good > 0
        assert good + bad >= scan_or_refusal["frames_header"]
        assert bool(bad) == bool(scan_or_refusal["bad_spans"]) == bool(scan_or_refusal["reason"])
        assert scan_or_refusal["rising"]
        ends.append("salvaged" if bad else "ok")
    assert ends
    return ends


@needs_odd_files
@pytest.mark.parametrize("name", odd_files())
def test_every_odd_file_ends_with_a_true_outcome(apart: Apart, name: str) -> None:
    """It is scanned, salvaged or refused with a reason; none crashes, hangs or is silent."""
    ends = judged(apart.scan(ODD / name))
    # Whatever holds a picture of a codec we have gives it: refusals are of sound, text and locks.
    if "ok" not in ends and "salvaged" not in ends:
        assert set(ends) <= {
            "no_video_stream",
            "not_a_video",
            "no_frames",
            "encrypted",
            "no_decoder",
        }


# Known traps: the file, and its outcome: (frames decoded, frames bad, reason) or the refusal.
TRAPS: dict[str, tuple[str, tuple[int, int, str | None] | str]] = {
    "a stream without a decoder": (
        "androidx/mp4/video_dovi_3840x2160_30fps_dav1_10.mp4", "no_decoder"),
    "a length but not one frame": ("androidx/cmaf/multi-segment/video_init.mp4", "no_frames"),
    "packets of which none decodes": ("androidx/vp9/invalid-bitstream.webm", "no_frames"),
    "a programme without pictures": ("androidx/ts/sample_with_sdt.ts", "no_frames"),
    "an error in the middle": ("decord/corrupted.mp4", (48, 2, "undecodable")),
    "no number of frames": ("androidx/mkv/sample.mkv", (30, 0, None)),
    "hundreds of frames a second": ("androidx/mp4/sample_with_vobsub.mp4", (30, 0, None)),
    "timestamps out of order": ("decord/unordered.mov", (4, 0, None)),
    "a rotation": ("decord/video_90.mov", (3, 0, None)),
    "an edit list that hides frames": (
        "androidx/mp4/sample_edit_list_only_preroll_sync_sample.mp4", (16, 0, None)),
    "frames of ten pixels": (
        "androidx/mp4/sample_with_fake_auxiliary_tracks.mp4", (5, 0, None)),
    "a rights management": ("androidx/drm/sample_fragmented_widevine.mp4", "encrypted"),
    "an encrypted WebM": ("androidx/mkv/subsample_encrypted_altref.webm", "no_frames"),
    "sound alone": ("androidx/mp4/sample_ac3.mp4", "no_video_stream"),
    "text": ("androidx/LICENSE", "not_a_video"),
    "an index that is too large": ("androidx/avi/sample-with-large-length.avi", (58, 0, None)),
    "fragments": ("androidx/mp4/sample_fragmented.mp4", (30, 0, None)),
    "keyframes alone": ("androidx/ts/sample_h264_iframes_only.ts", (30, 0, None)),
}  # fmt: skip


@needs_odd_files
@pytest.mark.parametrize("trap", TRAPS)
def test_a_known_trap_is_seen_through(apart: Apart, trap: str) -> None:
    """Each gives the frames it is known to have, or the reason why it has none."""
    name, known = TRAPS[trap]
    (told, *_) = apart.scan(ODD / name)["found"]
    if isinstance(known, str):
        assert told == {"refused": known}
    else:
        assert (told["frames_decoded"], told["frames_bad"], told["reason"]) == known


@needs_odd_files
def test_two_video_streams_are_two_recordings(apart: Apart) -> None:
    """Each is scanned by itself, to its own end; a stream without frames is refused by itself."""
    both = apart.scan(DATA / "single" / "nasa_13013.mp4")["found"]
    assert [(told["frames_decoded"], told["sizes"]) for told in both] == [
        (325, [[320, 180]]),
        (390, [[480, 270]]),
    ]
    half = judged(apart.scan(ODD / "androidx" / "mp4" / "sample_empty_track.mp4"))
    assert half == ["ok", "no_frames"]


def test_a_picture_that_changes_size_is_followed(tmp_path: Path) -> None:
    """Two sizes in one stream are both decoded, and both told."""
    parts = []
    for number, (width, height) in enumerate(((96, 64), (128, 96))):
        picture = np.full((height, width, 3), 90 + 60 * number, np.uint8)
        path = tmp_path / f"{number}.ts"
        write_video(path, [picture] * 40, rate=25, codec="mpeg2video", options={"bf": "0"})
        parts.append(path.read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    found = scan(Source(str(tmp_path / "both.ts")), Limits())
    assert found.sizes == ((96, 64), (128, 96))
    # The clock starts anew in the middle, and is carried on.
    # Where one file ends and the next begins, two packets are torn.
    assert found.frames_decoded >= 78
    assert found.reason == "corrupt_frames"
    assert (np.diff(found.signals.times_ns) > 0).all()


def test_files_that_are_none_are_refused_or_raise(tmp_path: Path) -> None:
    """Nothing, garbage and a folder are refused; what the storage refuses is raised."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    reasons = {}
    for name in ("empty.mp4", "noise.mp4", "."):
        (refused,) = scan_file(ScanWork({}, Source(str(tmp_path / name)), Limits())).results
        assert isinstance(refused, MediaError)
        reasons[name] = refused.reason
    assert reasons == {"empty.mp4": "empty_file", "noise.mp4": "not_a_video", ".": "not_a_video"}
    lost = scan_file(ScanWork({}, Source(str(tmp_path / "nowhere.mp4")), Limits()))
    assert (lost.results, lost.unreadable) == ([], "No such file or directory")


SCAN_IT = """
from tasks.decode import Limits, Source
from tasks.ingest.scanner import ScanWork, scan_file

def answer(path):
    scanned = scan_file(ScanWork({}, Source(path), Limits()))
    return [len(scanned.results), scanned.unreadable]
"""


def test_a_file_that_may_not_be_read_raises() -> None:
    """Missing permission is not the recording's fault: it is raised, to be mended and retried."""
    with open_folder() as folder:
        path = folder / "locked.mp4"
        write_video(path, [np.full((64, 96, 3), 90, np.uint8)] * 5, rate=25)
        path.chmod(0o644)
        assert run_as_ordinary_user(SCAN_IT, path) == [1, None]
        path.chmod(0)
        assert run_as_ordinary_user(SCAN_IT, path) == [0, "Permission denied"]
        path.chmod(0o644)
        folder.chmod(0o600)
        assert run_as_ordinary_user(SCAN_IT, path) == [0, "Permission denied"]
        folder.chmod(0o755)


def test_each_limit_has_its_reason(tmp_path: Path) -> None:
    """Bytes, pixels, frames and seconds are each refused by name, at the limit plus one."""
    path = tmp_path / "whole.mp4"
    write_video(path, [np.full((64, 96, 3), 90, np.uint8)] * 50, rate=25)
    size = path.stat().st_size
    exact = Limits(file_bytes=size, pixels=96 * 64, frames=50, seconds=2)
    assert scan(Source(str(path)), exact).frames_decoded == 50
    tight = {
        "limit_bytes": Limits(file_bytes=size - 1),
        "limit_pixels": Limits(pixels=96 * 64 - 1),
        "limit_frames": Limits(frames=49),
        "limit_duration": Limits(seconds=1),
    }
    for reason, limits in tight.items():
        (refused,) = scan_file(ScanWork({}, Source(str(path)), limits)).results
        assert isinstance(refused, MediaError)
        assert refused.reason == reason
    with pytest.raises(ValueError, match="frames is 0"):
        Limits(frames=0)


def test_a_picture_that_grows_past_the_limit_is_refused(tmp_path: Path) -> None:
    """The limit holds for every frame, not for what the header says of the first."""
    whole = tmp_path / "grows.ts"
    with whole.open("wb") as joined:
        for width, height in ((96, 64), (160, 120)):
            part, picture = tmp_path / "part.ts", np.full((height, width, 3), 90, np.uint8)
            write_video(part, [picture] * 40, rate=25, codec="mpeg2video", options={"bf": "0"})
            joined.write(part.read_bytes())
    (refused,) = scan_file(ScanWork({}, Source(str(whole)), Limits(pixels=100 * 100))).results
    assert isinstance(refused, MediaError)
    assert refused.reason == "limit_pixels"


@pytest.fixture(scope="session")
def samples() -> Path:
    """One clip of a minute in 21 containers (CC BY 4.0), from the package index, kept for later."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stillhouse-tests"
    folder = cache / "iscc_samples-0.6.0" / "iscc_samples" / "files" / "video"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    command += ["iscc-samples==0.6.0", "-d", str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    package = cache / "iscc_samples-0.6.0.tar.gz"
    if not package.exists():
        pytest.skip(f"iscc-samples cannot be fetched: {done.stderr.strip()[-200:]}")
    with tarfile.open(package) as archive:
        archive.extractall(cache / "unpacking", filter="data")
    shutil.move(cache / "unpacking" / "iscc_samples-0.6.0", cache / "iscc_samples-0.6.0")
    return folder


@pytest.mark.long
def test_one_clip_in_twenty_one_containers_gives_the_same_minute(
    apart: Apart, samples: Path
) -> None:
    """Each container gives 1,441 frames over a minute, whatever its header says of itself."""
    found = {path.name: apart.scan(path)["found"][0] for path in sorted(samples.iterdir())}
    assert len(found) == 21
    gif, theora = found.pop("demo.gif"), [found.pop("demo.ogg"), found.pop("demo.ogv")]
    assert (gif["frames_decoded"], gif["frames_bad"]) == (120, 0)
    for told in theora:  # its decoder fails after the first frame of each group
        assert told["frames_decoded"] + told["frames_bad"] == 1440
        assert told["reason"] == "undecodable"
    for name, told in found.items():
        assert (told["frames_decoded"], told["frames_bad"]) == (1441, 0), name
        assert abs(told["duration_ns"] - 60_041_666_667) < 100_000_000, name
    # One header claims an eighth of a second, three say nothing.
    assert found["demo.m1v"]["promised_ns"] < 200_000_000
    assert [name for name, told in found.items() if not told["promised_ns"]] == [
        "demo.flv", "demo.mkv", "demo.swf", "demo.webm",
    ]  # fmt: skip
