"""Frames by plan are the very frames of plain decoding, and times are exact."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.decode import (
    Decoded,
    Sampled,
    Scale,
    Source,
    decode_all,
    decoder_build,
    frames,
    open_container,
    probe,
    sample,
)
from tasks.limits import Limits
from tasks.mux import write_video
from tasks.scan import scan
from tasks.stream import VideoStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd"
LUMA = (Scale("luma", None, None, "gray"),)
FULL = (Scale("full", None, None),)
COUNT, RATE = 100, 25
STEP_NS = SECOND_NS // RATE


@dataclass(frozen=True)
class Case:
    """One way of coding, and the most of its packets that 2 frames/s may cost (1: no plan)."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    share: float = 1.0
    pixel_format: str = "yuv420p"
    uneven: bool = False
    rotation: int = 0


def x264(parameters: str) -> dict[str, str]:
    """Return fast x264 options; scene cuts would move keyframes."""
    return {"preset": "veryfast", "x264-params": f"scenecut=0:{parameters}"}


def x265(parameters: str) -> dict[str, str]:
    """Return fast x265 options."""
    return {"preset": "ultrafast", "x265-params": f"log-level=none:{parameters}"}


VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}
CASES = [
    Case("gop12.mp4", "libx264", x264("bframes=3:keyint=12:min-keyint=12"), 0.5),
    Case("gop60.mp4", "libx264", x264("bframes=3:keyint=60:min-keyint=60"), 0.75),
    Case("gop60.mkv", "libx264", x264("bframes=3:keyint=60:min-keyint=60"), 0.75),
    Case("open.mp4", "libx264", x264("bframes=3:keyint=25:open-gop=1"), 0.85),
    Case("refresh.mp4", "libx264", x264("bframes=0:keyint=25:intra-refresh=1")),
    Case("interlaced.mp4", "libx264", x264("bframes=3:keyint=50:tff=1")),
    Case("slices.mp4", "libx264", x264("bframes=3:keyint=40:slices=4"), 0.75),
    Case("uneven.mp4", "libx264", x264("bframes=3:keyint=40"), 0.85, uneven=True),
    Case("uneven.mkv", "libx264", x264("bframes=3:keyint=40"), 0.85, uneven=True),
    Case("turned.mp4", "libx264", x264("bframes=3:keyint=40"), 0.75, rotation=90),
    Case("deep.mp4", "libx264", x264("bframes=3:keyint=40"), 0.75, "yuv420p10le"),
    Case("transport.ts", "libx264", x264("bframes=3:keyint=30")),
    Case("open_hevc.mp4", "libx265", x265("keyint=30:min-keyint=30:bframes=4:open-gop=1"), 0.6),
    Case("closed_hevc.mkv", "libx265", x265("keyint=30:bframes=3:open-gop=0"), 0.75),
    Case("layers_hevc.mp4", "libx265", x265("keyint=30:bframes=4:temporal-layers=3"), 0.75),
    Case("vp9.webm", "libvpx-vp9", VPX | {"g": "40"}),
    Case("vp8.webm", "libvpx", VPX | {"g": "40"}),
    Case("mpeg4.mp4", "mpeg4", {"g": "12"}, 0.5),
    Case("mpeg4_b.mp4", "mpeg4", {"g": "12", "bf": "2"}, 0.5),
    Case("mpeg4_b.avi", "mpeg4", {"g": "12", "bf": "2"}),
    Case("av1.mp4", "libsvtav1", {"preset": "12", "g": "30"}, 0.95),
    Case("mjpeg.mp4", "mjpeg", {}, 0.15, "yuvj420p"),
    Case("prores.mov", "prores_ks", {}, 0.15, "yuv422p10le"),
]


def moving() -> list[Pixels]:
    """Return frames 96 wide and 64 high: a textured square that circles over a sliding texture."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (2, 96, 360, 3)).astype(np.float32)
    ground, square = (
        cv2.normalize(cv2.GaussianBlur(part, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        for part in noise
    )
    made = []
    for k in range(COUNT):
        frame = ground[10:74, 2 * k : 2 * k + 96].astype(np.uint8)
        top, left = int(20 + 18 * np.sin(k / 7)), int(36 + 34 * np.cos(k / 9))
        frame[top : top + 24, left : left + 24] = square[:24, :24]
        made.append(frame)
    return made


def times_of(case: Case) -> list[int]:
    """Return each frame's time in whole milliseconds, as ns."""
    if not case.uneven:
        return [k * STEP_NS for k in range(COUNT)]
    steps = np.random.default_rng(5).integers(20, 90, COUNT)
    return [int(t) * 1_000_000 for t in np.cumsum(steps) - steps[0]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Every case as a file."""
    folder, pictures = tmp_path_factory.mktemp("coded"), moving()
    for case in CASES:
        write_video(
            folder / case.name,
            zip(pictures, times_of(case), strict=True) if case.uneven else pictures,
            rate=RATE,
            codec=case.codec,
            options=case.options,
            pixel_format=case.pixel_format,
            rotation=case.rotation,
        )
    return {case.name: Source(str(folder / case.name)) for case in CASES}


def first_pts(source: Source) -> int:
    """Return the pts of the first frame."""
    first = next(decode_all(source, Limits(pixels=1 << 20, frames=COUNT)))
    assert isinstance(first, Decoded)
    return first.pts


def facts(found: Sequence[Sampled]) -> list[tuple[int, int, tuple[int, ...], dict[str, bytes]]]:
    """Return what must be equal between two ways of decoding."""
    return [
        (s.t_ns, s.pts, s.indices, {name: image.tobytes() for name, image in s.images.items()})
        for s in found
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_frames_by_plan_are_those_of_plain_decoding(
    written: dict[str, Source], case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampled at any rate, or by random instants, on any number of threads, no byte differs."""
    source = written[case.name]
    start_pts = first_pts(source)
    fed = []
    feed = VideoStream.feed
    monkeypatch.setattr(VideoStream, "feed", lambda *given: fed.append(given[1]) or feed(*given))
    random = np.random.default_rng(11)
    end_ns = times_of(case)[-1]
    requests = [range(0, end_ns, SECOND_NS // 2), range(0, end_ns, 80_000_000)]
    requests += [sorted(random.integers(-SECOND_NS // 4, end_ns + SECOND_NS, 6).tolist())]
    for request, threads in zip(requests, (1, 2, 1), strict=True):
        plain = facts(list(sample(source, request, LUMA, start_pts=start_pts, plan=False)))
        fed.clear()
        planned = list(sample(source, request, LUMA, start_pts=start_pts, threads=threads))
        assert facts(planned) == plain
        assert sorted(i for s in planned for i in s.indices) == list(range(len(request)))
        if request is requests[0]:
            assert sum(packet is not None for packet in fed) <= case.share * COUNT


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_frame_of_a_span_is_had_alone(written: dict[str, Source], case: Case) -> None:
    """Random spans give just the frames whose time lies in them, byte for byte."""
    source, times = written[case.name], times_of(case)
    start_pts = first_pts(source)
    everything = list(frames(source, Span(0, 1 << 50), LUMA, start_pts=start_pts, plan=False))
    assert len(everything) == COUNT
    random = np.random.default_rng(13)
    for start_ns in random.integers(0, times[-1], 4).tolist():
        span = Span(start_ns, start_ns + int(random.integers(1, SECOND_NS)))
        expected = [s for s in everything if span.contains(s.t_ns)]
        assert facts(list(frames(source, span, LUMA, start_pts=start_pts))) == facts(expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_times_are_those_that_were_written(written: dict[str, Source], case: Case) -> None:
    """Each frame stands at its own time on the recording clock, whole milliseconds to the ns."""
    source = written[case.name]
    found = frames(source, Span(0, 1 << 50), (), start_pts=first_pts(source))
    assert [s.t_ns for s in found] == times_of(case)


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


def test_far_frames_are_sought_not_read_up_to(
    written: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two instants far apart cost two short runs of packets."""
    fed = []
    feed = VideoStream.feed
    monkeypatch.setattr(VideoStream, "feed", lambda *given: fed.append(given[1]) or feed(*given))
    source = written["gop12.mp4"]
    found = list(sample(source, [0, 90 * STEP_NS], (), start_pts=0))
    assert [s.t_ns // STEP_NS for s in found] == [0, 90]
    assert sum(packet is not None for packet in fed) <= 2 * 12


def test_pictures_are_as_displayed(written: dict[str, Source]) -> None:
    """A recording tagged with a rotation comes out turned, at full size and scaled alike."""
    header = probe(written["turned.mp4"])
    assert (header.width, header.height, header.rotation) == (64, 96, 90)
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
    assert (header.color_space, header.color_range) == (names[space], "pc" if full else "tv")
    (found,) = sample(source, [0], FULL, start_pts=0)
    middle = found.images["full"][16, 16::32].astype(int)
    assert np.abs(middle - colours).max() <= 4


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
    assert (header.codec, header.pixel_format) == ("h264", "yuv420p")
    assert (header.width, header.height, header.rotation) == (96, 64, 0)
    assert (header.rate_num, header.rate_den) == (RATE, 1)
    assert (header.duration_ns, header.frames_header) == (4 * SECOND_NS, COUNT)
    assert (header.has_audio, header.video_streams) == (False, 1)
    assert probe(written["av1.mp4"]).codec == "av1"
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


@pytest.mark.parametrize("name", ["gop12.mp4", "gop60.mkv", "open_hevc.mp4", "vp9.webm"])
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_damage_is_passed_over_by_plan_and_plainly_alike(
    written: dict[str, Source], tmp_path: Path, name: str, place: float
) -> None:
    """Outside a scan's bad spans not a byte differs, inside each instant still gets a frame."""
    data = bytearray(Path(written[name].uri).read_bytes())
    at = int(len(data) * place)
    data[at : at + 700] = bytes(k * 37 & 255 for k in range(700))
    source = Source(str(tmp_path / f"damaged_{name}"))
    Path(source.uri).write_bytes(data)
    found = scan(source, Limits(pixels=1 << 20, frames=1000))
    # Matroska skips what it cannot read and VP9 decodes anything: of damage they may not tell.
    assert found.frames_bad > 0 or not name.endswith(".mp4")
    start_pts = found.start_pts
    for step_ns in (STEP_NS, 7 * STEP_NS):
        request = range(0, 4 * SECOND_NS, step_ns)
        ways = []
        for plan in (False, True):
            shown = sample(source, request, LUMA, start_pts=start_pts, plan=plan)
            ways.append({i: (s.t_ns, s.images["luma"].tobytes()) for s in shown for i in s.indices})
        assert sorted(ways[0]) == sorted(ways[1]) == list(range(len(request)))
        for k, t_ns in enumerate(request):
            if not any(span.contains(t_ns) for span in found.bad_spans):
                assert ways[0][k] == ways[1][k]


@pytest.mark.skipif(not ODD.exists(), reason="needs the odd files of ../shared/data")
@pytest.mark.parametrize(
    "name",
    [
        "androidx/mp4/bbb_800x640_768kbps_30fps_avc_pyramid_3b.mp4",
        "androidx/mp4/bbb_800x640_768kbps_30fps_avc_non_reference_3b.mp4",
        "androidx/mp4/h265_bframes.mp4",
        "androidx/mp4/sample_edit_list_only_preroll_sync_sample.mp4",
        "androidx/mp4/sample_fragmented.mp4",
        "androidx/mp4/sample_2_byte_NAL_length.mp4",
        "androidx/mkv/bbb_642x642_768kbps_30fps_vp9.webm",
        "decord/unordered.mov",
        "decord/corrupted.mp4",
    ],
)
def test_files_of_others_are_planned_exactly(name: str) -> None:
    """Frames by plan are those of plain decoding on files that other encoders made."""
    source, scale = Source(str(ODD / name)), (Scale("small", 64, 48, "gray"),)
    good = [
        item
        for item in decode_all(source, Limits(pixels=1 << 24, frames=1000))
        if isinstance(item, Decoded) and not item.corrupt
    ]
    request = range(0, 4 * SECOND_NS, SECOND_NS // 2)
    start_pts = good[0].pts
    plain = facts(list(sample(source, request, scale, start_pts=start_pts, plan=False)))
    assert facts(list(sample(source, request, scale, start_pts=start_pts))) == plain
