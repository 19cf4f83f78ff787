"""When a file says that it was made, and what is no time at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from tasks.containers.header import created_ns
from tasks.decode import Source, probe
from tasks.mux import write_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("1970-01-02T00:00:00.000000Z", None),
        ("1904-01-01T00:00:00.000000Z", None),
        ("2024-05-01T12:00:00.250000Z", 1_714_564_800_250_000_000),
        ("2024-05-01T14:00:00+02:00", 1_714_564_800_000_000_000),
        ("2024-05-01T14:00:00", None),
        ("yesterday", None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_a_time_is_one_with_a_date_and_a_zone(told: str, known: int | None) -> None:
    """A clock that was never set, a local time and prose tell nothing."""
    assert created_ns({"creation_time": told}) == known
    assert created_ns({}, {"creation_time": told}) == known


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_containers_keep_when_they_were_made(tmp_path: Path, suffix: str) -> None:
    """MP4 and MOV to the second, Matroska to the microsecond; without it there is none."""
    plain = tmp_path / f"plain{suffix}"
    write_video(plain, [np.full((64, 96, 3), 90, np.uint8)] * 5, rate=25)
    assert probe(Source(str(plain))).claims.created_ns is None
    dated = tmp_path / f"dated{suffix}"
    with av.open(str(plain)) as read, av.open(str(dated), "w") as out:
        out.metadata["creation_time"] = "2024-05-01T12:00:00.250000Z"
        stream = out.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    found = probe(Source(str(dated))).claims.created_ns
    assert found is not None
    assert found // 10**9 == 1_714_564_800
    assert found % 10**9 == (250_000_000 if suffix == ".mkv" else 0)
