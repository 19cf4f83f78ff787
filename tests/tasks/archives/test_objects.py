"""Objects of a real S3 server are listed and read as files are, and its failures are I/O errors."""

from __future__ import annotations

import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import (
    ArchiveDamagedError,
    ArchiveNotFoundError,
    ArchiveUnreadableError,
    UsageError,
)
from infra.settings import Settings
from tasks.archives.contents import archive_uri, list_archive
from tasks.archives.kinds import members, open_to_list
from tasks.archives.objects import Location, file_system, open_object, parse
from tasks.archives.reading import BLOCK_BYTES, KEPT_BLOCKS
from tasks.containers.limits import Limits
from tasks.decode import Source, open_container, probe
from tasks.ingest.scan import scan
from tasks.recordings.media import fingerprint, open_bytes, read_through

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Footage

KEYS = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda key: key == key.strip("/"))


def put(uri: str, data: bytes) -> None:
    """Write an object, and its bucket if need be, with a client that may make one."""
    from pyarrow.fs import FileSystem

    place = parse(uri)
    scheme, _, address = (place.endpoint or "").partition("://")
    options = f"scheme={scheme}&endpoint_override={address}&allow_bucket_creation=true"
    store, _ = FileSystem.from_uri(f"s3://{place.bucket}?{options}")
    store.create_dir(place.bucket)
    # Not the default, which packs whatever is called .gz.
    with store.open_output_stream(place.path, compression=None) as out:
        out.write(data)


def requests(file: io.RawIOBase) -> list[tuple[int, int]]:
    """Note the place and bytes of every request of an open object from now on."""
    blocks, noted = file._pull.__self__, []  # type: ignore[attr-defined]
    fetch = blocks._fetch

    def noting(at: int, count: int) -> bytes:
        noted.append((at, count))
        return bytes(fetch(at, count))

    blocks._fetch = noting
    return noted


@pytest.fixture(scope="module")
def prefix(footage: Footage, endpoint: str) -> str:
    """A prefix with the footage, a sidecar, a hidden object and an empty one."""
    place = Location("s3", "media", "day 1", endpoint)
    for member in footage.members:
        put(place.child(member).uri, footage.path(member).read_bytes())
    for member in ("notes.txt", ".cache/x.mp4", "a/empty.mp4"):
        put(place.child(member).uri, b"" if "empty" in member else b"x")
    put(Location("s3", "media", "day 10/other.mp4", endpoint).uri, b"x")
    return place.uri


def test_a_prefix_lists_and_reads_as_a_folder(footage: Footage, prefix: str) -> None:
    """The same members, ids, headers and pictures; nothing of a prefix that only begins so."""
    entries = {entry.member: entry for entry in list_archive(f"{prefix}")}
    assert set(entries) == {*footage.members, "a/empty.mp4"}
    for member in footage.members:
        entry = entries[member]
        assert (entry.byte_offset, entry.packed, entry.archive_uri) == (None, False, prefix)
        # A store keeps whole seconds.
        assert entry.mtime_ns // 10**9 >= int(footage.path(member).stat().st_mtime)
        footage.require_equal(entry, member)
        assert probe(entry.source) == probe(Source(str(footage.path(member))))
        found = scan(entry.source, Limits(pixels=1 << 20, frames=100))
        assert (found.frames_decoded, found.frames_bad) == (12, 0)
        read_through(entry.source)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip", "deflated.zip"])
def test_an_object_may_be_an_archive(
    footage: Footage, endpoint: str, tmp_path: Path, kind: str
) -> None:
    """Members of a tar or zip are read out of the object in place."""
    path = tmp_path / f"archive.{kind}"
    if "zip" in kind:
        way = zipfile.ZIP_DEFLATED if kind.startswith("deflated") else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", way) as packed:
            for member in footage.members:
                packed.write(footage.path(member), member)
    else:
        with tarfile.open(path, f"w:{kind[4:]}") as archive:
            for member in footage.members:
                archive.add(footage.path(member), member)
    uri = Location("s3", "archives", path.name, endpoint).uri
    put(uri, path.read_bytes())
    entries = list(list_archive(uri))
    assert [entry.member for entry in entries] == list(footage.members)
    for entry, local in zip(entries, list_archive(path), strict=True):
        assert (entry.byte_offset, entry.packed) == (local.byte_offset, local.packed)
        footage.require_equal(entry, entry.member)


def test_an_object_cut_short_is_a_damaged_archive(endpoint: str, tmp_path: Path) -> None:
    """Damaged contents of a store are damaged contents, not a failing store."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(__file__, "a.mp4")
    uri = Location("s3", "archives", "cut.tar", endpoint).uri
    put(uri, (tmp_path / "a.tar").read_bytes()[:1000])
    with pytest.raises(ArchiveDamagedError, match="cut short"):
        list(list_archive(uri))


def test_what_is_not_there_is_told_by_name(endpoint: str, prefix: str) -> None:
    """No bucket, no prefix, no object: each says so, and none is an empty archive."""
    for key in ("nothing", "day"):
        with pytest.raises(ArchiveNotFoundError, match=f"media/{key}"):
            list(list_archive(Location("s3", "media", key, endpoint).uri))
    with pytest.raises(ArchiveNotFoundError, match="no-such-bucket"):
        list(list_archive(f"s3://no-such-bucket?endpoint_override={endpoint}"))
    gone = Source(parse(prefix).child("gone.mp4").uri)
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        probe(gone)


def test_a_store_that_dies_half_way_is_an_error_of_the_storage(
    footage: Footage,
    store_environment: None,  # noqa: ARG001  the server is asked with it
) -> None:
    """Reads and listings fail as OSError with the object named; a later read goes on."""
    from moto.server import ThreadedMotoServer

    data = footage.path(footage.members[0]).read_bytes()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    place = Location("s3", "dying", "long.mp4", f"http://{host}:{port}")
    # An index in front and much more behind than the first block.
    put(place.uri, data + bytes(3 * BLOCK_BYTES))
    source = Source(place.uri)
    with open_bytes(source) as file, open_container(source) as container:
        assert file.read(1000) == data[:1000]
        first = next(container.decode(video=0))
        assert first.pts == 0
        server.stop()
        file.seek(2 * BLOCK_BYTES)
        with pytest.raises(OSError, match=r"s3://dying/long\.mp4"):
            file.read(1000)
        file.seek(0)
        assert file.read(1000) == data[:1000], "what is held needs no store"
        # Its client tries for 6 s, so all at a time.
        with ThreadPoolExecutor(4) as pool:
            attempts = [pool.submit(attempt, source) for attempt in (probe, fingerprint)]
            attempts.append(pool.submit(read_through, source))
            listing = pool.submit(list, list_archive(place.uri.replace("/long.mp4", "")))
        for failed in attempts:
            with pytest.raises(OSError, match=r"s3://dying/long\.mp4"):
                failed.result()
        with pytest.raises(ArchiveUnreadableError, match="dying"):
            listing.result()
        again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
        again.start()
        try:
            put(place.uri, data + bytes(3 * BLOCK_BYTES))
            file.seek(2 * BLOCK_BYTES)
            assert file.read(1000) == bytes(1000)
        finally:
            again.stop()


def test_small_reads_are_few_requests(endpoint: str) -> None:
    """A demuxer's 32 KiB are served from blocks that are kept: going to and fro asks no more."""
    uri = Location("s3", "media", "blocks.bin", endpoint).uri
    data = bytes(range(256)) * (4 * BLOCK_BYTES // 256)
    put(uri, data)
    store = file_system(parse(uri))
    with open_object(uri) as file:
        asked = requests(file)
        for _ in range(3):
            file.seek(0)
            for at in range(0, len(data), 32 << 10):
                assert file.read(32 << 10) == data[at : at + (32 << 10)]
        assert asked == [(k * BLOCK_BYTES, BLOCK_BYTES) for k in range(4)]
        assert KEPT_BLOCKS >= 4
        assert store is file_system(parse(uri))


def test_a_listing_reads_headers_only(endpoint: str, tmp_path: Path) -> None:
    """What lies between the headers of a tar or zip is not asked for."""
    data = bytes(4 << 20)
    with (
        tarfile.open(tmp_path / "a.tar", "w") as archive,
        zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped,
    ):
        for name in ("a.mp4", "b.mp4", "c.mp4"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            zipped.writestr(name, data)
    for name in ("a.tar", "a.zip"):
        uri = Location("s3", "media", name, endpoint).uri
        put(uri, (tmp_path / name).read_bytes())
        with open_to_list(uri) as file:
            asked = requests(file)
            assert len(list(members(file, name[2:], uri, 200))) == 3
        assert sum(count for _, count in asked) < len(data) // 4


def test_a_setting_names_the_store(
    footage: Footage, prefix: str, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With `s3_endpoint` the URI needs none: clients find it where they look for it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    Settings(home=tmp_path, s3_endpoint=endpoint).prepare_process()
    plain = prefix.partition("?")[0]
    entries = {entry.member: entry for entry in list_archive(plain)}
    assert entries["a/cam1.mp4"].source.uri == f"{plain}/a/cam1.mp4"
    footage.require_equal(entries["a/cam1.mp4"], "a/cam1.mp4")


@given(KEYS, KEYS)
def test_a_uri_is_read_as_it_is_written(key: str, member: str) -> None:
    """Any key survives its URI; a member's name can choose neither bucket nor endpoint."""
    for endpoint in (None, "http://127.0.0.1:9000"):
        place = Location("s3", "bucket", key, endpoint)
        assert parse(place.uri) == place
        child = parse(place.child(member).uri)
        assert child == Location("s3", "bucket", f"{key}/{member}", endpoint)


def test_archives_have_one_name(tmp_path: Path) -> None:
    """Slashes at the end, escapes and links do not make another archive."""
    assert archive_uri("s3://bucket/a%20b/") == archive_uri("s3://bucket/a b") == "s3://bucket/a b"
    assert archive_uri("gs://bucket/") == "gs://bucket"
    (tmp_path / "link").symlink_to(tmp_path)
    assert archive_uri(tmp_path / "link") == str(tmp_path.resolve())


@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3://key:secret@bucket/a",
        "s3://bucket/a?region=x",
        "s3://bucket?endpoint_override=file:///etc",
        "s3://bucket?endpoint_override=http://a@b",
    ],
)
def test_other_options_and_secrets_in_a_uri_are_refused(uri: str) -> None:
    """Credentials come from the environment: a URI is shown, stored and logged."""
    with pytest.raises(UsageError, match="credentials in the environment"):
        archive_uri(uri)
