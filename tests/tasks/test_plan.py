"""Frames by plan are the very frames of plain decoding, of whatever make, sound or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from footage import (
    COUNT,
    LUMA,
    ODD,
    STEP_NS,
    VPX,
    Case,
    facts,
    first_pts,
    times_of,
    write_case,
    x264,
    x265,
)

from catalog.span import SECOND_NS, Span
from tasks.containers.stream import VideoStream
from tasks.decode import Decoded, Limits, Scale, Source, decode_all, frames, sample
from tasks.ingest.scan import Scan, scan

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
    Case("interlaced.mkv", "libx264", x264("bframes=3:keyint=50:tff=1")),
    Case("interlaced.ts", "libx264", x264("bframes=3:keyint=50:bff=1")),
    Case("no_b.mp4", "libx264", x264("bframes=0:keyint=30"), 0.75),
    Case("no_b.mkv", "libx264", x264("bframes=0:keyint=12:ref=1"), 0.75),
    Case("transport.ts", "libx264", x264("bframes=3:keyint=30")),
    Case("no_b.ts", "libx264", x264("bframes=0:keyint=30")),
    Case("hevc.ts", "libx265", x265("keyint=30:bframes=4:open-gop=1")),
    Case("closed_hevc.ts", "libx265", x265("keyint=30:bframes=0:open-gop=0")),
    Case("mpeg2.ts", "mpeg2video", {"g": "12", "bf": "2"}),
    Case("mpeg2.mkv", "mpeg2video", {"g": "12", "bf": "2"}),
    Case("interlaced_mpeg2.ts", "mpeg2video", {"g": "12", "bf": "2", "flags": "+ilme+ildct"}),
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


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Every case as a file."""
    folder = tmp_path_factory.mktemp("coded")
    return {case.name: write_case(folder, case) for case in CASES}


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
    for request in requests:
        plain = facts(list(sample(source, request, LUMA, start_pts=start_pts, plan=False)))
        for threads in (1, 2):
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


DAMAGED = [
    "gop12.mp4", "gop60.mkv", "interlaced.mp4", "no_b.mp4", "transport.ts", "hevc.ts", "mpeg2.ts",
    "open_hevc.mp4", "vp9.webm", "mpeg4_b.avi",
]  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("place", [0.3, 0.5, 0.8])
def test_damage_is_passed_over_by_plan_and_plainly_alike(
    written: dict[str, Source], tmp_path: Path, name: str, place: float
) -> None:
    """Outside a scan's bad spans not a byte differs, inside each instant still gets a frame."""
    data = bytearray(Path(written[name].uri).read_bytes())
    at = int(len(data) * place)
    data[at : at + 700] = bytes(k * 37 & 255 for k in range(700))
    found = planned_like_plain(tmp_path / f"damaged_{name}", bytes(data))
    # VP9 decodes anything, and transport streams carry more than pictures to be hit.
    assert found.frames_bad > 0 or not name.endswith(".mp4")


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("share", [0.6, 0.85])
def test_a_cut_off_file_is_planned_like_it_is_decoded(
    written: dict[str, Source], tmp_path: Path, name: str, share: float
) -> None:
    """Where a file ends early, with its index or without, plan and plain end alike."""
    data = Path(written[name].uri).read_bytes()
    planned_like_plain(tmp_path / f"cut_{name}", data[: int(len(data) * share)])


def planned_like_plain(path: Path, data: bytes) -> Scan:
    """Sample a damaged file both ways, on one thread and two, and return its scan."""
    path.write_bytes(data)
    source = Source(str(path))
    found = scan(source, Limits())
    start_pts, end_ns = found.start_pts, found.duration_ns
    for step_ns in (STEP_NS, 7 * STEP_NS):
        request = range(0, end_ns, step_ns)
        ways = []
        for plan, threads in ((False, 1), (True, 1), (True, 2)):
            shown = sample(source, request, LUMA, start_pts=start_pts, plan=plan, threads=threads)
            ways.append({i: (s.t_ns, s.images["luma"].tobytes()) for s in shown for i in s.indices})
            assert sorted(ways[-1]) == list(range(len(request)))
        for k, t_ns in enumerate(request):
            if not any(span.contains(t_ns) for span in found.bad_spans):
                assert ways[0][k] == ways[1][k] == ways[2][k]
    return found


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
