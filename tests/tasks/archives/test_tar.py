"""Members of a tar are read in place, whatever it is compressed with, and hostile ones refused."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ArchiveDamagedError, MediaError
from tasks.archives import packed, tar
from tasks.archives.contents import list_archive
from tasks.decode import Source
from tasks.recordings.media import fingerprint, open_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Footage

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def headers(data: bytes) -> list[tuple[str, int]]:
    """Return the names and sizes our reader finds in the bytes of a tar."""
    stream = tar.open_tar(io.FileIO(os.memfd_create("tar"), "rb+"), "a tar")
    stream._file.write(data)
    stream._file.seek(0)
    with stream._file:
        return [(member.name, member.size) for member in tar.members(stream, "a tar")]


def add(archive: tarfile.TarFile, name: str, data: bytes = b"x", kind: bytes = b"0") -> None:
    """Add a member by name, bytes and type."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, "a/cam1.mp4"
    archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("way", ["", "gz", "bz2", "xz"])
def test_members_are_the_plain_files(
    footage: Footage, tmp_path: Path, way: str, layout: str
) -> None:
    """In every format and compression: the same bytes, the same id, the same pictures."""
    path = tmp_path / f"archive.tar.{way}".rstrip(".")
    with tarfile.open(path, f"w:{way}", format=FORMATS[layout]) as archive:
        for member in footage.members:
            archive.add(footage.path(member), f"./{member}")
    entries = list(list_archive(path))
    assert [entry.member for entry in entries] == list(footage.members)
    for entry in entries:
        assert entry.packed == bool(way)
        assert entry.mtime_ns // 10**9 == int(footage.path(entry.member).stat().st_mtime)
        footage.require_equal(entry, entry.member)
        if not way:
            start = entry.byte_offset or 0
            there = path.read_bytes()[start : start + entry.size_bytes]
            assert there == footage.path(entry.member).read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_names_are_only_names(footage: Footage, tmp_path: Path) -> None:
    """`..`, slashes in front, bytes that are no text and names that come again lead nowhere."""
    data = footage.path(footage.members[0]).read_bytes()
    names = ["../../etc/a.mp4", "/root/b.mp4", "x/./../c.mp4", "x/c.mp4", "caf\udce9.mp4", ".."]
    with tarfile.open(tmp_path / "hostile.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            add(archive, name, data)
    entries = list(list_archive(tmp_path / "hostile.tar"))
    found = [entry.member for entry in entries]
    assert found == [
        "etc/a.mp4", "root/b.mp4", "x/c.mp4", "x/c.mp4~2", "caf\\xe9.mp4", "unnamed"
    ]  # fmt: skip
    for entry in entries:
        footage.require_equal(entry, footage.members[0])
        entry.member.encode()


def test_a_name_a_thousand_times_takes_no_time_squared(tmp_path: Path) -> None:
    """Copies are counted on, not searched from the first."""
    with tarfile.open(tmp_path / "same.tar", "w") as archive:
        for _ in range(2000):
            add(archive, "same.mp4", b"")
    found = [entry.member for entry in list_archive(tmp_path / "same.tar")]
    assert (found[0], found[1], found[-1]) == ("same.mp4", "same.mp4~2", "same.mp4~2000")


@pytest.mark.parametrize("way", ["", "gz"])
def test_links_and_sparse_members_are_refused_by_their_reason(tmp_path: Path, way: str) -> None:
    """No link is followed, and what cannot be read in place is an entry that says why."""
    path = tmp_path / f"links.tar{way and '.gz'}"
    with tarfile.open(path, f"w:{way}") as archive:
        add(archive, "hard.mp4", b"", tarfile.LNKTYPE)
        add(archive, "soft.mp4", b"", tarfile.SYMTYPE)
        add(archive, "holes.mp4", b"x" * 700, tarfile.GNUTYPE_SPARSE)
        add(archive, "pipe.mp4", b"", tarfile.FIFOTYPE)
        add(archive, "folder.mp4", b"", tarfile.DIRTYPE)
        add(archive, "after.mp4", b"y" * 900)
    entries = list(list_archive(path))
    reasons = []
    for entry in entries[:-1]:
        with pytest.raises(MediaError) as refused:
            fingerprint(entry.source)
        reasons.append((entry.member, refused.value.reason))
    assert reasons == [
        ("hard.mp4", "link_member"),
        ("soft.mp4", "link_member"),
        ("holes.mp4", "sparse_member"),
    ]
    with open_bytes(entries[-1].source) as file:
        assert file.read() == b"y" * 900


@pytest.mark.parametrize("way", ["", "gz"])
def test_a_tar_that_is_cut_short_or_damaged_stops_the_listing(
    footage: Footage, tmp_path: Path, way: str
) -> None:
    """Half an archive is not taken for the whole; what came before was listed."""
    path = tmp_path / f"cut.tar{way and '.gz'}"
    with tarfile.open(path, f"w:{way}") as archive:
        for member in footage.members:
            archive.add(footage.path(member), member)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    listing = list_archive(path)
    assert next(listing).member == footage.members[0]
    with pytest.raises(ArchiveDamagedError, match="cut short") as stopped:
        list(listing)
    assert stopped.value.command == f"tar -tf {path}"


def test_a_header_that_is_none_stops_the_listing(tmp_path: Path) -> None:
    """Rubbish after a member is not passed over."""
    with tarfile.open(tmp_path / "odd.tar", "w") as archive:
        add(archive, "a.mp4", b"x" * 512)
    data = bytearray((tmp_path / "odd.tar").read_bytes())
    data[1024:1100] = b"?" * 76
    (tmp_path / "odd.tar").write_bytes(data)
    with pytest.raises(ArchiveDamagedError, match="byte 1024: no header"):
        list(list_archive(tmp_path / "odd.tar"))


def test_headers_are_bounded(tmp_path: Path) -> None:
    """A header that claims gigabytes, or one header after the other for ever, is refused."""
    huge = tarfile.TarInfo("huge")
    huge.type, huge.size = tarfile.XHDTYPE, 8 << 30
    (tmp_path / "huge.tar").write_bytes(huge.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    with pytest.raises(ArchiveDamagedError, match="claims 8589934592 bytes"):
        list(list_archive(tmp_path / "huge.tar"))
    chain = tarfile.TarInfo("chain")
    chain.type, chain.size = tarfile.XHDTYPE, 0
    (tmp_path / "chain.tar").write_bytes(chain.tobuf() * 5000)
    with pytest.raises(ArchiveDamagedError, match="more than 16 headers"):
        list(list_archive(tmp_path / "chain.tar"))


def test_sizes_beyond_eight_gibibytes_are_read(tmp_path: Path) -> None:
    """Base 256 and pax sizes count; the member is listed before its end is looked for."""
    for layout in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("long.mp4")
        info.size = 9 << 30
        path = tmp_path / f"long{layout}.tar"
        head = info.tobuf(layout)
        with path.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + (9 << 30))
        (entry,) = list_archive(path)
        assert (entry.size_bytes, entry.byte_offset) == (9 << 30, len(head))


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    """The listing stops at an archive of zeros, and so does reading a member of one."""
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        add(archive, "zeros.mp4", bytes(32 << 20))
        add(archive, "after.mp4")
    listing = list_archive(tmp_path / "bomb.tar.gz")
    zeros = next(listing)
    with pytest.raises(ArchiveDamagedError, match="more than 200 times") as stopped:
        list(listing)
    assert "STILLHOUSE_MAX_RATIO" in str(stopped.value.command)
    with pytest.raises(MediaError) as refused:
        fingerprint(zeros.source)
    assert refused.value.reason == "limit_ratio"
    with pytest.raises(MediaError) as refused:
        fingerprint(zeros.source, max_bytes=1 << 20)
    assert refused.value.reason == "limit_bytes"
    assert len(fingerprint(zeros.source, max_ratio=5000)) == 32


def test_going_through_a_compressed_tar_unpacks_it_once(footage: Footage, tmp_path: Path) -> None:
    """The stream that read one member is the stream that reads the next."""
    with tarfile.open(tmp_path / "many.tar.gz", "w:gz") as archive:
        for member in footage.members:
            archive.add(footage.path(member), member)
    packed._KEPT.clear()
    streams = []
    for entry in list_archive(tmp_path / "many.tar.gz"):
        with open_bytes(entry.source) as file:
            assert file.read() == footage.path(entry.member).read_bytes()
        assert packed._KEPT._kept is not None
        streams.append(packed._KEPT._kept[1])
    assert len(set(map(id, streams))) == 1
    assert streams[0].at >= sum(footage.path(m).stat().st_size for m in footage.members)


def test_a_replaced_archive_is_read_anew_and_by_name(footage: Footage, tmp_path: Path) -> None:
    """A kept stream is of the file that was; a member that moved is found by its name."""
    path = tmp_path / "replaced.tar.gz"
    for order in (footage.members, footage.members[::-1]):
        with tarfile.open(path, "w:gz") as archive:
            for member in order:
                archive.add(footage.path(member), member)
        if order == footage.members:
            first = list(list_archive(path))
    for entry in first:
        footage.require_equal(entry, entry.member)
        searched = Source(str(path), member=entry.member)
        assert fingerprint(searched) == fingerprint(entry.source)
    with pytest.raises(MediaError) as refused:
        fingerprint(Source(str(path), member="nowhere.mp4"))
    assert refused.value.reason == "no_such_member"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 3 << 20)), max_size=8))
def test_large_members_are_sought_in_without_being_held(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int]]
) -> None:
    """Reads at any places, back and forth, give the bytes that are there."""
    path = tmp_path_factory.getbasetemp() / "large.tar.gz"
    data = np.random.default_rng(0).integers(0, 4, 3_000_000, dtype=np.uint8).tobytes()
    if not path.exists():
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            add(archive, "before.mp4", data[:1000])
            add(archive, "large.mp4", data)
    entry = list(list_archive(path))[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "HELD_BYTES", 1000)
        with open_bytes(entry.source) as file:
            for at, count in reads:
                file.seek(at)
                found = file.read(count) or b""
                assert found == data[at : at + len(found)]
                assert found or at == len(data)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=300)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(0, 2000))), st.sampled_from(sorted(FORMATS)[:2]))
def test_what_the_standard_library_writes_is_read(
    members: list[tuple[str, int]], layout: str
) -> None:
    """Names of any text and length, and members of any size, come back as they went in."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=FORMATS[layout]) as archive:
        for name, size in members:
            add(archive, name, b"x" * size)
    assert headers(made.getvalue()) == members


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_make_the_reader_fail_otherwise_than_it_says(data: st.DataObject) -> None:
    """Whatever is changed in a tar, it is read or refused as damaged, in bounded time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "é" * 120, b"x" * 600)
        add(archive, "second", b"y" * 100)
    changed = bytearray(made.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.integers(0, 255))
        if at // 512 in (0, 3):  # a header whose checksum is made right again
            start = at // 512 * 512
            changed[start + 148 : start + 156] = b" " * 8
            total = sum(changed[start : start + 512])
            changed[start + 148 : start + 156] = b"%06o\0 " % total
    try:
        found = headers(bytes(changed))
    except MediaError as error:
        assert error.reason == "damaged_archive"  # noqa: PT017 - or it is read
    else:
        assert len(found) <= 3
