"""Object stores: URIs of prefixes and objects, their listing, and objects as files.

Reads from S3 or anything that speaks it, and from GCS; writes nothing. Credentials, region and
endpoint come from the usual environment (AWS_*, GOOGLE_APPLICATION_CREDENTIALS); an endpoint may
also stand in the URI: `s3://bucket/prefix?endpoint_override=http://127.0.0.1:9000`. A store that
fails or falls silent costs a bounded time.
"""

from __future__ import annotations

import errno
import functools
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlencode, urlsplit

from infra.errors import UsageError
from tasks.archives import gcs
from tasks.archives.reading import BLOCK_BYTES, Blocks, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyarrow.fs import FileInfo, FileSystem

# An open object: its bytes, what reads (count, at) of them, and what lets go of it.
Opened: TypeAlias = "tuple[int, Callable[[int, int], bytes], Callable[[], None]]"

_URI = re.compile(
    r"(?P<scheme>s3|gs)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<key>[^?]*))?"
    r"(?:\?endpoint_override=(?P<endpoint>https?://[^?#/@]+))?",
    re.DOTALL,
)
_RESERVED = re.compile(r"[%?#\x00-\x1f\x7f]")
# What stores say to those who may not read.
DENIED = ("ACCESS_DENIED", "HTTP status 401", "HTTP status 403")
# Requests of one listing of facts: asked at a time, answered in parallel.
FACTS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class Location:
    """A prefix or object of a store; `key` without slashes around it, "" for the whole bucket."""

    scheme: str
    bucket: str
    key: str
    endpoint: str | None

    @property
    def uri(self) -> str:
        """The one way to write it: `%`, `?`, `#` and control characters of keys escaped."""
        key = _RESERVED.sub(lambda found: f"%{ord(found[0]):02X}", self.key)
        query = f"?endpoint_override={self.endpoint}" if self.endpoint else ""
        return f"{self.scheme}://{self.bucket}" + (f"/{key}" if key else "") + query

    @property
    def path(self) -> str:
        """The path as the file system takes it."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    def child(self, member: str) -> Location:
        """Return the object of a member, given its key after the prefix."""
        return replace(self, key=f"{self.key}/{member}" if self.key else member)


def is_object_uri(uri: str) -> bool:
    """Tell a store's URI from a path."""
    return uri.startswith(("s3://", "gs://"))


def parse(uri: str) -> Location:
    """Read a URI; its key is percent-decoded.

    Raises:
        UsageError: it is no such URI, or carries credentials or other options.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(
            f"{uri} is no URI of a prefix: write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX, with "
            "credentials in the environment (AWS_ACCESS_KEY_ID ...), not in the URI.",
            command="stillhouse ingest s3://BUCKET/PREFIX",
        )
    key = unquote(found["key"] or "").strip("/")
    return Location(found["scheme"], found["bucket"], key, found["endpoint"])


def list_objects(place: Location) -> Iterator[tuple[str, int, int]]:
    """Yield (key after the prefix, bytes, time of change in ns) of every object under a prefix.

    One page of 1,000 keys is one request; a million objects take about 200 MB here.

    Raises:
        FileNotFoundError: there is no such bucket or prefix.
        OSError: the store cannot be reached or refuses.
    """
    if place.scheme == "gs":
        yield from _list_gcs(place)
        return
    from pyarrow.fs import FileSelector, FileType

    with _named(place):
        found = file_system(place).get_file_info(FileSelector(place.path, recursive=True))
    start = len(place.path) + 1
    # From the end, so that what was given is let go of.
    found.reverse()
    while found:
        info = found.pop()
        if info.type == FileType.File:
            yield info.path[start:], info.size, _mtime_ns(info)


def _list_gcs(place: Location) -> Iterator[tuple[str, int, int]]:
    start, known = len(place.key) + 1 if place.key else 0, False
    with _named(place):
        for key, size, mtime_ns in gcs.pages(place):
            known = True
            yield key[start:], size, mtime_ns
    if place.key and not known:
        raise FileNotFoundError(errno.ENOENT, "No such object", place.uri)


def object_facts(places: list[Location]) -> list[tuple[int, int] | None]:
    """Return (bytes, time of change in ns) of each object; None where there is none.

    Raises:
        OSError: the store cannot be reached or refuses.
    """
    if not places:
        return []
    if places[0].scheme == "gs":
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(_facts_gcs, places))
    from pyarrow.fs import FileType

    with _named(places[0]):
        infos = file_system(places[0]).get_file_info([place.path for place in places])
    return [(info.size, _mtime_ns(info)) if info.type == FileType.File else None for info in infos]


def _facts_gcs(place: Location) -> tuple[int, int] | None:
    try:
        with _named(place):
            return gcs.facts(place)[:2]
    except FileNotFoundError:
        return None


def open_object(uri: str, block_bytes: int = BLOCK_BYTES) -> Reader:
    """Open an object as a file that reads through a few blocks.

    Raises:
        OSError: it is not there, or the store cannot be reached; so do the file's reads.
    """
    place = parse(uri)
    with _named(place):
        size, read_at, release = _open_gcs(place) if place.scheme == "gs" else _open_s3(place)

    def fetch(at: int, count: int) -> bytes:
        with _named(place):
            data = read_at(count, at)
        if len(data) < count:
            raise OSError(errno.EIO, f"ended {count - len(data)} bytes early", place.uri)
        return data

    return Reader(size, Blocks(size, fetch, block_bytes).pull, release)


def _open_s3(place: Location) -> Opened:
    file = file_system(place).open_input_file(place.path)
    return file.size(), file.read_at, file.close


def _open_gcs(place: Location) -> Opened:
    size, _, generation = gcs.facts(place)

    def read_at(count: int, at: int) -> bytes:
        return gcs.read_range(place, generation, at, count)

    return size, read_at, lambda: None


def file_system(place: Location) -> FileSystem:
    """Return the connection to a place's S3 store, one a process."""
    return _file_system(place.bucket, place.endpoint)


@functools.lru_cache(maxsize=64)
def _file_system(bucket: str, endpoint: str | None) -> FileSystem:
    from pyarrow.fs import FileSystem

    options = {}
    if endpoint:
        parts = urlsplit(endpoint)
        options = {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    # From a URI, not by its class: only so the region is looked up and AWS_ENDPOINT_URL heeded.
    found, _ = FileSystem.from_uri(f"s3://{bucket}?{urlencode(options)}")
    return found


def _mtime_ns(info: FileInfo) -> int:
    return int(info.mtime_ns or 0)


@contextmanager
def _named(place: Location) -> Iterator[None]:
    """Give a store's errors the object's name and a number: they come as prose alone."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "No such object", place.uri) from error
    except OSError as error:
        text = str(error) if error.errno is None else error.strerror or str(error)
        missing = "NO_SUCH_BUCKET" in text or "HTTP status 404" in text
        denied = any(said in text for said in DENIED)
        number = errno.ENOENT if missing else errno.EACCES if denied else errno.EIO
        raise OSError(number, text, place.uri) from error
