"""Objects of a GCS server on loopback are read as files are, and no failure of it lasts."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from catalog.query import run
from catalog.store import Catalog
from flows.ingest import ingest
from infra.errors import ArchiveNotFoundError, ArchiveUnreadableError, StillhouseError
from infra.settings import load_settings
from tasks.archives import gcs, objects
from tasks.archives.contents import list_archive
from tasks.archives.objects import Location, open_object, parse
from tasks.archives.reading import BLOCK_BYTES
from tasks.containers.limits import Limits
from tasks.decode import Source, probe
from tasks.ingest.scan import scan
from tasks.ingest.scanner import ScanWork, scan_file
from tasks.recordings.media import fingerprint, open_bytes, read_through

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Footage


@dataclass
class Store:
    """A GCS server of a thread a request; while `hangs` is set it takes requests and says nothing.

    The emulator's own server has one thread, which the first connection kept open would hold.
    """

    storage: Any = field(default_factory=lambda: Storage(use_memory_fs=True))
    hangs: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)
    server: ThreadingHTTPServer | None = None
    port: int = 0

    def start(self) -> None:
        """Serve on the port it had before, if any."""
        store = self

        class Handler(RequestHandler):  # type: ignore[misc]  untyped
            def do_GET(self) -> None:  # noqa: N802  the library's name
                if store.hangs.is_set():
                    store.over.wait(60)
                    return
                super().do_GET()

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Pass over clients that hang up."""

        self.server = Server(("127.0.0.1", self.port), partial(Handler, self.storage))
        self.port = self.server.server_port
        Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()

    def place(self, key: str, bucket: str = "media") -> Location:
        """Return where an object or prefix is."""
        return Location("gs", bucket, key, f"http://127.0.0.1:{self.port}")

    def put(self, place: Location, data: bytes) -> str:
        """Write an object, and its bucket if need be; return its URI."""
        create_bucket(place.bucket, self.storage)
        address = f"{place.endpoint}/upload/storage/v1/b/{place.bucket}/o"
        wanted = urlencode({"uploadType": "media", "name": place.key})
        headers = {"Content-Type": "application/octet-stream"}
        request = Request(f"{address}?{wanted}", data, headers, method="POST")  # noqa: S310  http
        with urlopen(request) as answer:  # noqa: S310  same
            assert answer.status == 200
        return place.uri


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store that runs."""
    store = Store()
    store.start()
    yield store
    store.over.set()
    store.stop()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Make a store that may be stopped, whose clients have little patience."""
    monkeypatch.setattr(gcs, "CALL_S", 3.0)
    monkeypatch.setattr(gcs, "SILENCE_S", 1.0)
    store = Store()
    store.start()
    yield store
    store.over.set()
    store.stop()


@pytest.fixture(scope="module")
def prefix(footage: Footage, store: Store) -> str:
    """A prefix with the footage, a sidecar, a hidden object and one that is no video."""
    place = store.place("day 1")
    for member in footage.members:
        store.put(place.child(member), footage.path(member).read_bytes())
    for member in ("notes.txt", ".cache/x.mp4", "a/noise.mp4"):
        store.put(place.child(member), b"x")
    store.put(store.place("day 10/other.mp4"), b"x")
    return place.uri


def test_a_prefix_lists_and_reads_as_a_folder(footage: Footage, prefix: str) -> None:
    """The same members, ids, headers and pictures; nothing of a prefix that only begins so."""
    entries = {entry.member: entry for entry in list_archive(prefix)}
    assert set(entries) == {*footage.members, "a/noise.mp4"}
    for member in footage.members:
        entry = entries[member]
        assert abs(entry.mtime_ns - time.time_ns()) < 600 * 10**9
        footage.require_equal(entry, member)
        assert probe(entry.source) == probe(Source(str(footage.path(member))))
        found = scan(entry.source, Limits(pixels=1 << 20, frames=100))
        assert (found.frames_decoded, found.frames_bad) == (12, 0)
        read_through(entry.source)


def test_any_range_of_an_object_is_read(store: Store) -> None:
    """Reads across blocks, back and forth, and past the end give the object's bytes."""
    data = bytes(range(251)) * (5 * BLOCK_BYTES // 251)
    uri = store.put(store.place("blocks.bin"), data)
    with open_object(uri) as file:
        for at, count in ((0, 10), (3 * BLOCK_BYTES - 5, 9), (7, 1), (len(data) - 3, 99)):
            file.seek(at)
            found = file.read(count)
            assert found == data[at : at + len(found)]
            assert found
        file.seek(0)
        assert file.read() == data
    part = Source(uri, 1000, 3 * BLOCK_BYTES)
    with open_bytes(part) as file:
        assert file.read() == data[1000 : 1000 + 3 * BLOCK_BYTES]


def test_what_is_not_there_is_told_by_name(store: Store, prefix: str) -> None:
    """No bucket, no prefix, no object: each says so at once."""
    for place in (store.place("nothing"), store.place("", "no-such-bucket")):
        with pytest.raises(ArchiveNotFoundError, match=place.bucket):
            list(list_archive(place.uri))
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        probe(Source(parse(prefix).child("gone.mp4").uri))


@pytest.mark.usefixtures("ray_local", "prefect_server")
def test_a_prefix_is_ingested_as_a_folder(footage: Footage, prefix: str, tmp_path: Path) -> None:
    """Workers read the store too; a second run opens nothing."""
    report = ingest(prefix, str(tmp_path / "home"))
    # What is no video is refused.
    assert (report["done"], report["quarantined"]) == (len(footage.members), 1)
    assert ingest(str(footage.folder), str(tmp_path / "plain"))["done"] == len(footage.members)
    sql = "select member, recording_id, hashes, session_name from current_recordings order by all"
    found, plain = (
        run(Catalog(load_settings(tmp_path / home).catalog).snapshot(), sql).to_pylist()
        for home in ("home", "plain")
    )
    assert found == plain
    assert ingest(prefix, str(tmp_path / "home"))["bytes_in"] == 0


def failure(call: Any, *arguments: Any) -> tuple[BaseException, float]:  # noqa: ANN401
    """Return how a call fails, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises((OSError, StillhouseError)) as failed:
        call(*arguments)
    return failed.value, time.monotonic() - started


@pytest.mark.parametrize("way", ["goes", "hangs"])
def test_a_store_that_fails_half_way_costs_a_bounded_time(
    footage: Footage, failing: Store, way: str
) -> None:
    """Gone or silent, it is an I/O error that names the object; when it is back, reads go on."""
    data = footage.path(footage.members[0]).read_bytes() + bytes(3 * BLOCK_BYTES)
    uri = failing.put(failing.place("night/long.mp4"), data)
    with open_bytes(Source(uri)) as file:
        assert file.read(1000) == data[:1000]
        failing.stop() if way == "goes" else failing.hangs.set()
        file.seek(2 * BLOCK_BYTES)
        error, seconds = failure(file.read, 1000)
        assert (isinstance(error, OSError), uri in str(error)) == (True, True)
        assert seconds < 10
        file.seek(0)
        assert file.read(1000) == data[:1000], "what is held needs no store"
        calls = (probe, fingerprint, read_through)
        with ThreadPoolExecutor(5) as pool:
            listing = pool.submit(failure, list, list_archive(failing.place("night").uri))
            scanned = pool.submit(scan_file, ScanWork({}, Source(uri), Limits()))
            for found in [pool.submit(failure, call, Source(uri)) for call in calls]:
                error, seconds = found.result()
                assert (uri in str(error), len(str(error)) < 400, seconds < 10) == (True,) * 3
        error, seconds = listing.result()
        assert (isinstance(error, ArchiveUnreadableError), seconds < 10) == (True, True)
        assert scanned.result().results == []
        assert scanned.result().unreadable
        failing.start() if way == "goes" else failing.hangs.clear()
        failing.over.set()
        file.seek(2 * BLOCK_BYTES)
        assert file.read(1000) == bytes(1000)


def test_a_listing_goes_through_all_pages_and_over_what_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages are asked for one by one, a busy store once more, and a refusal at once."""
    monkeypatch.setattr(gcs, "PAUSES_S", (0.01,) * 4)
    asked: list[str | None] = []

    class Paged(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = parse_qs(urlsplit(self.path).query)
            (page_name,) = wanted.get("pageToken", [None])
            asked.append(page_name)
            busy = asked.count(page_name) <= 2
            items = [
                {
                    "name": f"day/{page_name}-{n}.mp4",
                    "size": "7",
                    "updated": "1970-01-02T00:00:00.5Z",
                }
                for n in range(2)
            ]
            following = {None: "second", "second": "third"}.get(page_name)
            page = {"items": items} | ({"nextPageToken": following} if following else {})
            if page_name == "third":
                page = {}
            body = json.dumps(page).encode()
            status = 503 if busy else 403 if "locked" in wanted["prefix"][0] else 200
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Paged) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = Location("gs", "media", "day", f"http://127.0.0.1:{server.server_port}")
        found = list(objects.list_objects(place))
        names = [f"{page}-{n}.mp4" for page in (None, "second") for n in range(2)]
        assert found == [(name, 7, 86_400_500_000_000) for name in names]
        assert asked == [None] * 3 + ["second"] * 3 + ["third"] * 3
        asked.clear()
        with pytest.raises(PermissionError, match="HTTP status 403"):
            list(objects.list_objects(replace(place, key="locked")))
        assert len(asked) == 3
        server.shutdown()
