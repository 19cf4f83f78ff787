"""What lies between two packets is told from what was lost between them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from footage import Case, moving, write_case, x264

from tasks.containers.boxes import index_is_lost
from tasks.decode import Fault, Limits, Source, decode_all
from tasks.mux import Sound, write_video

if TYPE_CHECKING:
    from pathlib import Path


def breaks(path: Path) -> list[Fault]:
    """Return where something of a file's structure is lost, as a full decode is told."""
    items = decode_all(Source(str(path)), Limits())
    return [item for item in items if isinstance(item, Fault) and item.reason == "demux_error"]


@pytest.mark.parametrize("name", ["a.avi", "a.flv", "a.mkv"])
def test_only_a_file_with_a_hole_has_one(tmp_path: Path, name: str) -> None:
    """Sound between the pictures is structure; noise over a tenth of the file is none.

    In the noise FLV seems to have streams more, at which the library stumbles in the end.
    """
    random_samples = np.random.default_rng(1).normal(0, 0.1, (4 * 48_000, 1)).astype(np.float32)
    audio = Sound(random_samples, 48_000)
    write_video(tmp_path / name, moving(), rate=25, audio=audio, options=x264("bframes=0"))
    assert breaks(tmp_path / name) == []
    data = bytearray((tmp_path / name).read_bytes())
    at, length = len(data) // 2, len(data) // 10
    data[at : at + length] = random.Random(1).randbytes(length)
    (tmp_path / f"noise_{name}").write_bytes(data)
    assert len(breaks(tmp_path / f"noise_{name}")) == 1


def test_a_container_without_such_structure_is_not_judged(tmp_path: Path) -> None:
    """An mp4's packets lie where its index says, in any order."""
    source = write_case(tmp_path, Case("a.mp4", "libx264", x264("bframes=2:keyint=10")))
    path = tmp_path / "a.mp4"
    data = path.read_bytes()
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes(400) + data[at + 400 :])
    assert breaks(path) == []
    assert not index_is_lost(source)


def test_a_lost_index_is_told_in_place(tmp_path: Path) -> None:
    """Pictures without an index are told from an index without pictures, inside an archive too."""

    def box(name: bytes, size: int) -> bytes:
        return size.to_bytes(4, "big") + name + bytes(size - 8)

    lost = box(b"ftyp", 24) + box(b"free", 8) + box(b"mdat", 400)[:200]
    whole = box(b"ftyp", 24) + box(b"mdat", 40) + box(b"moov", 80)
    huge = box(b"ftyp", 24) + b"\x00\x00\x00\x01mdat" + b"\xff" * 8
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"x" * 512 + lost + whole + huge)
    places = np.cumsum([512, len(lost), len(whole)])
    sizes = (len(lost), len(whole), len(huge))
    found = [
        index_is_lost(Source(str(archive), offset=int(at), size=size))
        for at, size in zip(places, sizes, strict=True)
    ]
    assert found == [True, False, True]
