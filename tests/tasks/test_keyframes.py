"""Keyframes alone are the very frames that a full decode calls keyframes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from catalog.span import SECOND_NS
from tasks.containers.limits import Limits
from tasks.containers.stream import VideoStream
from tasks.decode import Sampled, Scale, Source, decode_all, keyframes
from tasks.mux import write_video

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

WIDTH, HEIGHT, COUNT, RATE = 96, 64, 90, 25
LUMA = (Scale("luma", WIDTH, HEIGHT, "gray"),)


@dataclass(frozen=True)
class Case:
    """One way of coding, how many keyframes it has, and whether only they are decoded."""

    name: str
    codec: str
    keys: int
    options: dict[str, str] = field(default_factory=dict)
    alone: bool = True


def x264(parameters: str) -> dict[str, str]:
    """Return fast x264 options; scene cuts would move keyframes."""
    return {"preset": "veryfast", "x264-params": f"scenecut=0:bframes=3:{parameters}"}


CASES = [
    Case("gop12.mp4", "libx264", 8, x264("keyint=12:min-keyint=12")),
    Case("gop60.mkv", "libx264", 2, x264("keyint=60:min-keyint=60")),
    Case("open.mp4", "libx264", 4, x264("keyint=25:open-gop=1")),
    Case("open_hevc.mp4", "libx265", 3, {"x265-params": "keyint=30:min-keyint=30:log-level=none"}),
    Case("mpeg4_b.mp4", "mpeg4", 8, {"g": "12", "bf": "2"}),
    Case("vp9.webm", "libvpx-vp9", 3, {"g": "30", "deadline": "realtime", "cpu-used": "8"}),
    Case("transport.ts", "libx264", 3, x264("keyint=30:min-keyint=30"), alone=False),
]


def moving() -> list[npt.NDArray[np.uint8]]:
    """Return frames in which a bright square slides over noise."""
    ground = np.random.default_rng(7).integers(0, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    made = []
    for k in range(COUNT):
        frame = ground.copy()
        frame[8:40, k % 60 : k % 60 + 32] = 220
        made.append(frame)
    return made


def written(folder: Path, case: Case) -> Source:
    """Write one case."""
    path = folder / case.name
    write_video(path, moving(), rate=RATE, codec=case.codec, options=case.options)
    return Source(str(path))


def plain(source: Source) -> list[tuple[int, bytes]]:
    """Return the pts and luma of what a full decode calls keyframes."""
    every = decode_all(source, Limits(pixels=1 << 20, frames=COUNT))
    return [
        (item.pts, item.luma(WIDTH, HEIGHT).tobytes())
        for item in every
        if not hasattr(item, "reason") and item.is_key and not item.corrupt
    ]


def alike(found: list[Sampled]) -> list[tuple[int, bytes]]:
    """Return the same of frames that were got alone."""
    return [(one.pts, one.images["luma"].tobytes()) for one in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keyframes_are_those_of_a_full_decode_bit_for_bit(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every codec the frames are equal, and where a plan is proven nothing else is decoded."""
    source = written(tmp_path, case)
    truth = plain(source)
    fed: list[object] = []
    feed = VideoStream.feed

    def counted(stream: VideoStream, packet: object) -> object:
        fed.extend([packet] if packet else [])
        return feed(stream, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoStream, "feed", counted)
    found = list(keyframes(source, LUMA, start_pts=truth[0][0]))
    assert alike(found) == truth
    assert len(found) == case.keys
    assert len(fed) == (case.keys if case.alone else COUNT)
    assert (
        found[1].t_ns
        == (found[1].pts - truth[0][0])
        * found[1].time_base[0]
        * SECOND_NS
        // (found[1].time_base[1])
    )


def test_frames_before_the_clock_starts_are_not_given(tmp_path: Path) -> None:
    """A recording's clock starts at its first good frame; what lies before is not of it."""
    source = written(tmp_path, CASES[0])
    every = list(keyframes(source, LUMA, start_pts=0))
    later = list(keyframes(source, LUMA, start_pts=every[1].pts))
    assert alike(later) == alike(every[1:])
    assert later[0].t_ns == 0


@pytest.mark.parametrize("damage", ["cut", "zeros", "zeros to the end"])
def test_damage_costs_the_keyframes_it_costs_a_full_decode(damage: str, tmp_path: Path) -> None:
    """Of a damaged file those keyframes come that decode, and no other."""
    source = written(tmp_path, CASES[0])
    path = tmp_path / CASES[0].name
    data = path.read_bytes()
    half, hole = len(data) // 2, len(data) // 15
    path.write_bytes(
        {
            "cut": data[:half],
            "zeros": data[:half] + bytes(hole) + data[half + hole :],
            "zeros to the end": data[:half] + bytes(len(data) - half),
        }[damage]
    )
    truth = plain(source)
    assert 2 < len(truth) < CASES[0].keys
    assert alike(list(keyframes(source, LUMA, start_pts=0))) == truth
