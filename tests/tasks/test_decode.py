"""Frames come at their times, as displayed, in true colours; what is no video is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import COUNT, LUMA, RATE, STEP_NS, Case, facts, first_pts, moving, write_case, x264

from catalog.span import SECOND_NS
from infra.errors import MediaError
from tasks.decode import (
    Limits,
    Scale,
    Source,
    decode_all,
    decoder_build,
    open_container,
    probe,
    sample,
)
from tasks.mux import write_video

FULL = (Scale("full", None, None),)
CASES = (
    Case("gop12.mp4", "libx264", x264("bframes=3:keyint=12:min-keyint=12")),
    Case("gop60.mp4", "libx264", x264("bframes=3:keyint=60:min-keyint=60")),
    Case("turned.mp4", "libx264", x264("bframes=3:keyint=40"), rotation=90),
    Case("av1.mp4", "libsvtav1", {"preset": "12", "g": "30"}),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Each case as a file."""
    folder = tmp_path_factory.mktemp("coded")
    return {case.name: write_case(folder, case) for case in CASES}


def test_the_frame_shown_at_an_instant_is_the_last_one_not_after_it(
    written: dict[str, Source],
) -> None:
    """Before the first frame it is the first, past the last it is the last; each comes once."""
    source = written["gop12.mp4"]
    instants = [10 * STEP_NS, 10 * STEP_NS - 1, -5, 0, 11 * STEP_NS - 1, 10**12]
    found = list(sample(source, instants, (), start_pts=first_pts(source)))
    assert [(s.t_ns // STEP_NS, s.indices) for s in found] == [
        (0, (2, 3)),
        (9, (1,)),
        (10, (0, 4)),
        (COUNT - 1, (5,)),
    ]


def test_pictures_are_as_displayed(written: dict[str, Source]) -> None:
    """A recording tagged with a rotation comes out turned, at full size and scaled alike."""
    header = probe(written["turned.mp4"])
    assert (header.picture.width, header.picture.height, header.picture.rotation) == (64, 96, 90)
    small = Scale("small", 32, 48)
    (found,) = sample(written["turned.mp4"], [0], (*FULL, small), start_pts=0)
    upright = np.rot90(moving()[0], -1).astype(float)
    assert np.abs(found.images["full"] - upright).mean() < 12
    assert found.images["small"].shape == (48, 32, 3)
    shrunk = cv2.resize(upright, (32, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(found.images["small"] - shrunk).mean() < 12
    assert all(image.flags.c_contiguous for image in found.images.values())


@pytest.mark.parametrize(("space", "full"), [("bt709", False), ("bt709", True), ("bt601", False)])
def test_colours_follow_the_tags(tmp_path: Path, space: str, *, full: bool) -> None:
    """Flat colours come back as written, whichever matrix and range the file is tagged with."""
    names = {"bt601": "smpte170m", "bt709": "bt709"}
    colours = np.array([[200, 40, 60], [30, 180, 90], [40, 60, 210]], np.uint8)
    picture = np.repeat(np.repeat(colours[None], 32, 0), 32, 1)
    write_video(
        tmp_path / "flat.mp4",
        [picture] * 3,
        rate=RATE,
        options={"crf": "4"},
        color_space=names[space],
        color_range="pc" if full else "tv",
    )
    source = Source(str(tmp_path / "flat.mp4"))
    header = probe(source)
    assert (header.picture.color_space, header.picture.color_range) == (
        names[space],
        "pc" if full else "tv",
    )
    # The small one is made from a half.
    (found,) = sample(source, [0], (*FULL, Scale("small", 24, 8)), start_pts=0)
    for middle in (found.images["full"][16, 16::32], found.images["small"][4, 4::8]):
        assert np.abs(middle.astype(int) - colours).max() <= 4


def test_small_pictures_are_means_of_areas_whatever_else_is_asked_for(tmp_path: Path) -> None:
    """Pictures made from a half are near the mean of areas, and equal with and without others."""
    noise = np.random.default_rng(0).integers(60, 200, (18, 24, 1), np.uint8)
    grey = cv2.resize(noise, (384, 288), interpolation=cv2.INTER_CUBIC)
    picture = np.stack([grey, grey // 2 + 40, 200 - grey // 2], -1)
    write_video(tmp_path / "rich.mp4", [picture] * 3, rate=RATE, options={"crf": "4"})
    source = Source(str(tmp_path / "rich.mp4"))
    sizes = ((170, 128), (128, 100), (112, 112), (192, 144))
    scales = [Scale(f"{width}", width, height) for width, height in sizes]
    (together,) = sample(source, [0], (*FULL, *scales), start_pts=0)
    for scale in scales:
        (alone,) = sample(source, [0], [scale], start_pts=0)
        small = alone.images[scale.name]
        np.testing.assert_array_equal(small, together.images[scale.name])
        size = (scale.width, scale.height)
        mean = cv2.resize(together.images["full"], size, interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - mean).mean() < 4


@pytest.mark.parametrize("pixel_format", ["yuv444p", "rgb24", "gray", "yuv422p10le"])
def test_odd_sizes_and_formats_work(tmp_path: Path, pixel_format: str) -> None:
    """Sides of odd length and formats without 8-bit luma in front give pictures all the same."""
    codec = "ffv1" if pixel_format in ("rgb24", "gray") else "libx264"
    wanted = "bgr0" if pixel_format == "rgb24" else pixel_format
    width = 34 if pixel_format == "yuv422p10le" else 33
    picture = np.full((31, width, 3), (90, 90, 90), np.uint8)
    picture[:, 16:] = 180
    write_video(tmp_path / "odd.mkv", [picture] * 2, rate=RATE, codec=codec, pixel_format=wanted)
    scales = (*FULL, *LUMA, Scale("tiny", 7, 5), Scale("grey", 7, 5, "gray"))
    (found,) = sample(Source(str(tmp_path / "odd.mkv")), [0], scales, start_pts=0)
    assert found.images["full"].shape == (31, width, 3)
    assert found.images["luma"].shape == (31, width)
    assert np.abs(found.images["full"].astype(int) - picture).mean() < 6
    assert found.images["luma"][15, 30] > found.images["luma"][15, 3] + 60
    assert (found.images["tiny"].shape, found.images["grey"].shape) == ((5, 7, 3), (5, 7))


def test_a_member_of_an_archive_is_read_in_place(
    written: dict[str, Source], tmp_path: Path
) -> None:
    """A stored zip member, read by offset and size, gives the frames of the file itself."""
    alone = Path(written["gop12.mp4"].uri)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        archive.writestr("before.bin", b"x" * 5000)
        archive.write(alone, "inside.mp4")
        archive.writestr("after.bin", b"y" * 5000)
    data = (tmp_path / "many.zip").read_bytes()
    offset = data.index(alone.read_bytes())
    member = Source(str(tmp_path / "many.zip"), offset=offset, size=alone.stat().st_size)
    request = range(0, 4 * SECOND_NS, SECOND_NS // 2)
    expected = facts(list(sample(written["gop12.mp4"], request, FULL, start_pts=0)))
    assert facts(list(sample(member, request, FULL, start_pts=0))) == expected
    assert probe(member) == probe(written["gop12.mp4"])


def test_a_header_says_what_was_written(written: dict[str, Source]) -> None:
    """Container, codec, size, rate, length and the frames promised are the file's own."""
    header = probe(written["gop60.mp4"])
    assert (header.claims.codec, header.picture.pixel_format) == ("h264", "yuv420p")
    assert (header.picture.width, header.picture.height, header.picture.rotation) == (96, 64, 0)
    assert (header.claims.rate_num, header.claims.rate_den) == (RATE, 1)
    assert (header.claims.duration_ns, header.claims.frames) == (4 * SECOND_NS, COUNT)
    assert (header.claims.has_audio, header.claims.video_streams) == (False, 1)
    assert probe(written["av1.mp4"]).claims.codec == "av1"
    assert "libavcodec" in decoder_build()


def test_what_is_no_video_is_refused_by_its_reason(
    written: dict[str, Source], tmp_path: Path
) -> None:
    """Each refusal has its word; a file that is not there is an I/O error, not a refusal."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.mp4").write_text("no video here\n" * 50)
    # Playlists would reach for other files and addresses.
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{written['gop12.mp4'].uri}'\n")
    (tmp_path / "live.m3u8").write_text("#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n")
    reasons = {
        Source(str(tmp_path / "empty.mp4")): "empty_file",
        Source(str(tmp_path / "notes.mp4")): "not_a_video",
        Source(str(tmp_path / "list.mp4")): "not_a_video",
        Source(str(tmp_path / "live.m3u8")): "not_a_video",
        Source(str(tmp_path)): "not_a_video",
        Source(written["gop12.mp4"].uri, stream=1): "no_video_stream",
    }
    for source, reason in reasons.items():
        with pytest.raises(MediaError) as refused:
            probe(source)
        assert refused.value.reason == reason
    with pytest.raises(MediaError) as refused:
        probe(written["gop12.mp4"], max_pixels=96 * 64 - 1)
    assert refused.value.reason == "limit_pixels"
    with pytest.raises(MediaError) as refused:
        list(decode_all(written["gop12.mp4"], Limits(pixels=1 << 20, frames=COUNT - 1)))
    assert refused.value.reason == "limit_frames"
    with pytest.raises(FileNotFoundError):
        probe(Source(str(tmp_path / "nowhere.mp4")))


def test_strange_names_open(written: dict[str, Source], tmp_path: Path) -> None:
    """A name with a scheme, a percent sign or bytes that are no text is just a name."""
    data = Path(written["gop12.mp4"].uri).read_bytes()
    for name in ("http:x %d.mp4", "caf\udce9.mp4", "line\nbreak.mp4", "café.mp4"):
        (tmp_path / name).write_bytes(data)
        with open_container(Source(str(tmp_path / name))) as container:
            assert container.format.name.startswith("mov")
