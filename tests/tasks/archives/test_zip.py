"""Members of a zip are read in place or unpacked on the way, and hostile ones refused."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ArchiveDamagedError, MediaError
from tasks.archives import packed
from tasks.archives import zip as zips
from tasks.archives.contents import list_archive
from tasks.decode import Source
from tasks.recordings.media import fingerprint, open_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Footage

    from tasks.archives.member import Member

WAYS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2}


def members(data: bytes) -> list[Member]:
    """Return what our reader finds in the bytes of a zip."""
    with io.FileIO(os.memfd_create("zip"), "rb+") as file:
        file.write(data)
        return list(zips.members(file, "a zip"))


def made(names: dict[str, bytes], way: str = "stored") -> bytes:
    """Return a zip of some files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", WAYS[way]) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """A file that cannot be sought in, as a zip is sent down a line."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: object) -> int:
        """Append."""
        self.data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["plain", "zip64", "after other bytes", "with a comment"])
@pytest.mark.parametrize("way", WAYS)
def test_members_are_the_plain_files(
    footage: Footage, tmp_path: Path, way: str, shape: str
) -> None:
    """In every compression and shape: the same bytes, the same id, the same pictures."""
    path = tmp_path / "archive.zip"
    with path.open("wb") as file:
        if shape == "after other bytes":
            file.write(b"#!/bin/sh\n" * 100)
        with zipfile.ZipFile(file, "a", WAYS[way]) as archive:
            archive.comment = b"PK\x05\x06" * 3 if shape == "with a comment" else b""
            for member in footage.members:
                info = zipfile.ZipInfo.from_file(footage.path(member), member)
                info.compress_type = WAYS[way]
                with archive.open(info, "w", force_zip64=shape == "zip64") as inside:
                    inside.write(footage.path(member).read_bytes())
    entries = list(list_archive(path))
    assert [entry.member for entry in entries] == list(footage.members)
    for entry in entries:
        assert entry.packed == (way != "stored")
        footage.require_equal(entry, entry.member)
        searched = Source(str(path), member=entry.member)
        assert fingerprint(searched) == fingerprint(entry.source)
        if way == "stored":
            start = entry.byte_offset or 0
            there = path.read_bytes()[start : start + entry.size_bytes]
            assert there == footage.path(entry.member).read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_zip_that_was_sent_down_a_line_is_read(footage: Footage, tmp_path: Path) -> None:
    """Local headers without sizes: the central directory has them."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for member in footage.members:
            archive.write(footage.path(member), member)
    (tmp_path / "sent.zip").write_bytes(pipe.data)
    for entry in list_archive(tmp_path / "sent.zip"):
        footage.require_equal(entry, entry.member)


def test_names_are_only_names(tmp_path: Path) -> None:
    """`..`, drives, backslashes and old encodings lead nowhere; folders are no files."""
    names = {"../a.mp4": b"1", "/b.mp4": b"2", "x\\y.mp4": b"3", "folder/": b"", "b.mp4": b"4"}
    data = made(names).replace(b"x\\y.mp4", b"\x81\\y.mp4")
    (tmp_path / "hostile.zip").write_bytes(data)
    entries = list(list_archive(tmp_path / "hostile.zip"))
    assert [entry.member for entry in entries] == ["a.mp4", "b.mp4", "ü/y.mp4", "b.mp4~2"]
    for entry, expected in zip(entries, (b"1", b"2", b"3", b"4"), strict=True):
        with open_bytes(entry.source) as file:
            assert file.read() == expected


def test_hidden_files_and_sidecars_are_left_out(tmp_path: Path) -> None:
    """As in a folder; an archive inside stays closed and is an input like any other."""
    names = dict.fromkeys(["__MACOSX/._a.mp4", ".git/x.mp4", "notes.txt", "in.zip", "a"], b"x")
    (tmp_path / "mixed.zip").write_bytes(made(names))
    assert [entry.member for entry in list_archive(tmp_path / "mixed.zip")] == ["in.zip", "a"]


def test_what_cannot_be_unpacked_is_refused_by_its_reason(tmp_path: Path) -> None:
    """Each refusal has its word, at the listing's cost of one entry."""
    data = bytes(range(256)) * 64
    locked = bytearray(made({"a.mp4": data}, "deflated"))
    locked[6] |= 1
    locked[locked.index(zips.CENTRAL) + 8] |= 1
    odd = bytearray(made({"a.mp4": data}, "deflated"))
    odd[8] = odd[odd.index(zips.CENTRAL) + 10] = 93
    broken = bytearray(made({"a.mp4": data}, "deflated"))
    broken[40:60] = b"\xff" * 20
    liar = bytearray(made({"a.mp4": data}, "deflated"))
    struct.pack_into("<L", liar, liar.index(zips.CENTRAL) + 24, len(data) - 1)
    boaster = bytearray(made({"a.mp4": data}, "deflated"))
    struct.pack_into("<L", boaster, boaster.index(zips.CENTRAL) + 24, len(data) + 1)
    headless = bytearray(made({"a.mp4": data}))
    headless[0] = 0
    cases = {
        "encrypted": locked,
        "unknown_packing": odd,
        "damaged_member": broken,
        "limit_bytes": liar,
        "damaged_member ": boaster,
        "damaged_member  ": headless,
    }
    for reason, changed in cases.items():
        (tmp_path / "odd.zip").write_bytes(changed)
        (entry,) = list_archive(tmp_path / "odd.zip")
        with pytest.raises(MediaError) as refused:
            fingerprint(entry.source)
        assert refused.value.reason == reason.strip()


def test_bombs_are_refused(tmp_path: Path) -> None:
    """A member that expands too much is refused; members that share their bytes are no archive."""
    bomb = made({"zeros.mp4": bytes(8 << 20)}, "deflated")
    (tmp_path / "bomb.zip").write_bytes(bomb)
    (entry,) = list_archive(tmp_path / "bomb.zip")
    with pytest.raises(MediaError) as refused:
        fingerprint(entry.source)
    assert refused.value.reason == "limit_ratio"
    assert len(fingerprint(entry.source, max_ratio=2000)) == 32
    at = bomb.index(zips.CENTRAL)
    end = bomb.index(zips.END)
    shared = bomb[:at] + 20 * bomb[at:end] + bomb[end:]
    shared = shared[:-10] + struct.pack("<LLH", 20 * (end - at), at, 0)
    (tmp_path / "shared.zip").write_bytes(shared)
    with pytest.raises(ArchiveDamagedError, match="overlap"):
        list(list_archive(tmp_path / "shared.zip"))


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_zip_that_is_cut_short_is_no_archive(tmp_path: Path, keep: float) -> None:
    """Without its end there is no directory; nothing is guessed."""
    data = made({"a.mp4": b"x" * 1000, "b.mp4": b"y" * 1000})
    cut = int(len(data) * keep) if isinstance(keep, float) else keep
    (tmp_path / "cut.zip").write_bytes(data[:cut])
    with pytest.raises(ArchiveDamagedError, match="cut short"):
        list(list_archive(tmp_path / "cut.zip"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 3 << 20)), max_size=8))
def test_large_members_are_sought_in_without_being_held(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[int, int]]
) -> None:
    """Reads at any places, back and forth, give the bytes that are there."""
    path = tmp_path_factory.getbasetemp() / "large.zip"
    data = np.random.default_rng(0).integers(0, 4, 3_000_000, dtype=np.uint8).tobytes()
    if not path.exists():
        path.write_bytes(made({"before.mp4": b"x", "large.mp4": data}, "deflated"))
    entry = list(list_archive(path))[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "HELD_BYTES", 1000)
        with open_bytes(entry.source) as file:
            for at, count in reads:
                file.seek(at)
                found = file.read(count) or b""
                assert found == data[at : at + len(found)]
                assert found or at == len(data)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=300)), st.sampled_from(sorted(WAYS)))
def test_what_the_standard_library_writes_is_read(files: dict[str, bytes], way: str) -> None:
    """Names of any text and members of any size come back as they went in."""
    found = members(made(files, way))
    assert [(member.name, member.size) for member in found] == [
        (name, len(data)) for name, data in files.items()
    ]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_make_the_reader_fail_otherwise_than_it_says(data: st.DataObject) -> None:
    """Whatever is changed in a zip, it is read or refused as damaged."""
    changed = bytearray(made({"a.mp4": b"x" * 50, "é/b.mp4": b"y" * 50}, "deflated"))
    for _ in range(data.draw(st.integers(1, 5))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = members(bytes(changed))
    except MediaError as error:
        assert error.reason == "damaged_archive"  # noqa: PT017 - or it is read
    else:
        assert len(found) <= 2
