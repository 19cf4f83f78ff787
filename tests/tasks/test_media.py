"""A source is small, travels, and its bytes are the same wherever they lie."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import MediaError
from tasks.archives.contents import source_of
from tasks.archives.reading import within
from tasks.recordings.media import Source, byte_size, fingerprint, open_bytes, read_through
from tasks.recordings.sources import clip_source

if TYPE_CHECKING:
    from pathlib import Path

DATA = np.random.default_rng(0).bytes(10_000_000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten million bytes that are like no others."""
    path = tmp_path_factory.mktemp("bytes") / "whole.bin"
    path.write_bytes(DATA)
    return path


def test_a_source_travels_lightly() -> None:
    """A hundred thousand of them pass through the object store in the space of a few frames."""
    source = Source("s3://bucket/session_0001/camera_1.mp4", 512, 1 << 30, 1, "a/b.mp4")
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301  our own
    assert len(pickle.dumps([source] * 100)) < 10_000
    assert len(pickle.dumps(source)) < 200


@pytest.mark.parametrize(
    ("offset", "size"), [(0, None), (0, 0), (1, 700_000), (5, 9_000_000), (9_999_999, None)]
)
def test_a_range_is_a_file_of_its_own(whole: Path, offset: int, size: int | None) -> None:
    """Size, bytes and id are those of the range alone."""
    expected = DATA[offset:] if size is None else DATA[offset : offset + size]
    source = Source(str(whole), offset, size)
    with open_bytes(source) as file:
        assert file.read() == expected
        assert file.seek(0, os.SEEK_END) == len(expected)
        assert file.read(1) == b""
    assert fingerprint(source) == blake3(expected).hexdigest()[:32]
    if expected:
        assert byte_size(source) == len(expected)
        read_through(source)


@given(
    st.lists(st.tuples(st.integers(-50, 1200), st.sampled_from([0, 1, 2]), st.integers(0, 99))),
    st.integers(0, 900),
    st.integers(0, 900),
)
def test_a_range_moves_as_a_file_does(
    whole: Path, moves: list[tuple[int, int, int]], offset: int, size: int
) -> None:
    """Reads after any seeks are those of a file that holds the range only."""
    expected = DATA[offset : offset + size]
    with within(whole.open("rb", buffering=0), offset, size) as file:
        at = 0
        for move, whence, count in moves:
            at = max(0, (0, at, size)[whence] + move)
            assert file.seek(move, whence) == file.tell() == at
            buffer = bytearray(count)
            got = file.readinto(buffer)
            assert bytes(buffer[:got]) == expected[at : at + count]
            at += got


def test_a_range_past_the_end_is_not_read_in_silence(whole: Path) -> None:
    """A file that was cut short since it was listed has no id: that would be another's."""
    with pytest.raises(OSError, match="ends 2 bytes early"):
        fingerprint(Source(str(whole), 100, len(DATA) - 98))
    with pytest.raises(MediaError) as refused:
        byte_size(Source(str(whole), len(DATA) + 1, 10))
    assert refused.value.reason == "empty_file"


def test_what_is_too_large_is_refused(whole: Path) -> None:
    """The limit counts what would be read, whoever says how much that is."""
    for source in (Source(str(whole)), Source(str(whole), 10, 1001)):
        with pytest.raises(MediaError) as refused:
            fingerprint(source, max_bytes=1000)
        assert refused.value.reason == "limit_bytes"
    assert len(fingerprint(Source(str(whole), 10, 1000), max_bytes=1000)) == 32


def test_what_is_no_file_is_told_from_what_is_not_there(tmp_path: Path) -> None:
    """A folder or a pipe is no video, and is not waited for; an absent file is an I/O error."""
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "pipe.mp4"):
        with pytest.raises(MediaError) as refused:
            fingerprint(Source(str(path)))
        assert refused.value.reason == "not_a_video"
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    for name in ("nowhere.mp4", "loop.mp4"):
        with pytest.raises(OSError, match=name):
            open_bytes(Source(str(tmp_path / name)))


def test_sources_are_rebuilt_from_what_the_catalog_keeps(tmp_path: Path) -> None:
    """Each kind of archive gives back what its listing gave."""
    assert source_of("/data", "a/b.mp4", None, 9) == Source("/data/a/b.mp4")
    assert source_of("/", "b.mp4", None, 9) == Source("/b.mp4")
    assert source_of("/x.tar", "b.mp4", 512, 9, stream=1) == Source("/x.tar", 512, 9, 1)
    packed = source_of("/x.zip", "b.mp4", 40, 9, packed=True)
    assert packed == Source("/x.zip", 40, 9, 0, "b.mp4")
    assert source_of("/x.zip", "b.mp4", None, None, packed=True).member == "b.mp4"
    assert source_of("s3://b/p", "100%?.mp4", None, 9) == Source("s3://b/p/100%25%3F.mp4")
    assert source_of("/lists/m.csv", "../v/a.mp4", None, 9) == Source("/v/a.mp4")
    assert source_of("/lists/m.csv", "/v/a.mp4", None, 9) == Source("/v/a.mp4")
    assert source_of("/lists/m.csv", "s3://b/a b", None, 9) == Source("s3://b/a b")
    assert source_of("s3://b/p/m.csv", "../v/a.mp4", None, 9) == Source("s3://b/v/a.mp4")
    (tmp_path / "odd.csv").mkdir()
    odd = str(tmp_path / "odd.csv")
    assert source_of(odd, "a.mp4", None, 9) == Source(f"{odd}/a.mp4")


def test_a_clips_row_gives_its_source() -> None:
    """What `clip_sources.sql` says of a place is what the decoder opens."""
    times = ("start_ns", "end_ns", "offset_ns", "drift_ppb", "start_pts")
    numbers = dict.fromkeys(times, 0) | {"end_ns": 5}
    names = dict.fromkeys(["clip_id", "session_id", "session_name", "camera_id"], "x")
    row = numbers | names | {"recording_id": "r", "archive_uri": "/a.zip", "member": "b.mp4"}
    place = {"stream": 1, "byte_offset": 40, "byte_size": 9, "packed": True}
    row |= {"width": 3, "height": 2, "labels": None, "has_audio": True}
    assert clip_source(row | place).source == Source("/a.zip", 40, 9, 1, "b.mp4")
    assert clip_source(row | place | {"packed": False}).source == Source("/a.zip", 40, 9, 1)


@pytest.mark.parametrize("member", ["../a.mp4", "a/../../b.mp4", "/etc/passwd", ".."])
def test_no_member_of_a_folder_lies_outside_it(member: str) -> None:
    """Not even where a catalog that others wrote says so."""
    with pytest.raises(MediaError) as refused:
        source_of("/data", member, None, 9)
    assert refused.value.reason == "member_outside"
