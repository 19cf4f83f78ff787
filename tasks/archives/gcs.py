"""Google Cloud Storage over its JSON API: pages of a listing, facts and byte ranges of objects.

Reads; writes nothing. Not by `pyarrow.fs`, whose files of this store ask for the whole object, with
the interpreter's lock held until it answers, each time one is opened: a store that falls silent
would stop every thread for 120 s (see infra/decisions/0012-google-cloud-storage.md).
"""

from __future__ import annotations

import errno
import functools
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.auth.credentials import Credentials
    from urllib3 import PoolManager

    from tasks.archives.objects import Location

HOST = "https://storage.googleapis.com"
READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"
# What one request may take, its repetitions included; for a connection; for the next bytes.
CALL_S, CONNECT_S, SILENCE_S = 60.0, 10.0, 20.0
# Waits before a request is tried again, and the answers after which it is.
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
PASSING = frozenset({408, 429, 500, 502, 503, 504})
PART_BYTES = 256 << 10
PAGE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pages(place: Location) -> Iterator[tuple[str, int, int]]:
    """Yield (key, bytes, time of change in ns) of every object under a prefix, page by page.

    Raises:
        OSError: as `_ask`.
    """
    wanted = {
        "prefix": f"{place.key}/" if place.key else "",
        "fields": "nextPageToken,items(name,size,updated)",
        "maxResults": str(PAGE),
    }
    token = ""
    while True:
        more = wanted | ({"pageToken": token} if token else {})
        page = json.loads(_ask(_objects(place), more))
        for item in page.get("items", ()):
            # A key that ends in a slash is what a console shows as an empty folder.
            if not item["name"].endswith("/"):
                yield item["name"], int(item["size"]), _ns(item["updated"])
        token = page.get("nextPageToken", "")
        if not token:
            return


def facts(place: Location) -> tuple[int, int, str]:
    """Return an object's bytes, time of change in ns, and generation: the name of its contents.

    Raises:
        OSError: as `_ask`.
    """
    wanted = {"fields": "size,updated,generation"}
    found = json.loads(_ask(_object(place), wanted))
    return int(found["size"]), _ns(found["updated"]), str(found["generation"])


def read_range(place: Location, generation: str, at: int, count: int) -> bytes:
    """Return `count` bytes of a generation of an object, or fewer where it ends.

    Raises:
        OSError: as `_ask`.
    """
    wanted = {"alt": "media", "generation": generation}
    return _ask(_object(place), wanted, {"Range": f"bytes={at}-{at + count - 1}"})


def _objects(place: Location) -> str:
    return f"{place.endpoint or HOST}/storage/v1/b/{quote(place.bucket, safe='')}/o"


def _object(place: Location) -> str:
    return f"{_objects(place)}/{quote(place.key, safe='')}"


def _ask(url: str, wanted: dict[str, str], headers: dict[str, str] | None = None) -> bytes:
    """Return the body of an answer; what passes is tried again, for `CALL_S` at most.

    Raises:
        OSError: what stopped it, `HTTP status NNN` where it was the store's answer.
    """
    from google.auth.exceptions import GoogleAuthError
    from urllib3.exceptions import HTTPError

    until, why = time.monotonic() + CALL_S, ""
    for pause in (0.0, *PAUSES_S):
        if time.monotonic() + pause >= until:
            break
        time.sleep(pause)
        try:
            status, body = _once(f"{url}?{urlencode(wanted)}", headers or {}, until)
        except GoogleAuthError as error:
            raise OSError(errno.EACCES, f"HTTP status 401: {error}") from error
        except HTTPError as error:
            why = _prose(error)
            continue
        if status < 400:
            return body
        why = f"HTTP status {status}"
        if status not in PASSING:
            break
    raise OSError(errno.EIO, why)


def _once(url: str, headers: dict[str, str], until: float) -> tuple[int, bytes]:
    """Make one request and return its status and body, or what came of it until time was up."""
    from urllib3 import Timeout

    pool, left = _pool(), max(0.1, until - time.monotonic())
    timeout = Timeout(connect=min(CONNECT_S, left), read=min(SILENCE_S, left))
    headers = dict(headers)
    # Without TLS it is an emulator: credentials are never sent in the clear.
    credentials: Any = _credentials() if url.startswith("https:") else None
    if credentials is not None:
        credentials.before_request(_transport(), "GET", url, headers)
    answer: Any = pool.request(
        "GET", url, headers=headers, timeout=timeout, retries=False, preload_content=False
    )
    parts: list[bytes] = []
    try:
        while part := answer.read(PART_BYTES):
            _check_time(until)
            parts.append(part)
    except BaseException:
        answer.close()  # what is on the way is of no use to the next request
        raise
    answer.release_conn()
    return int(answer.status), b"".join(parts)


def _check_time(until: float) -> None:
    """Stop an answer that comes drop by drop, never silent long enough."""
    from urllib3.exceptions import TimeoutError as TooSlowError

    if time.monotonic() > until:
        raise TooSlowError(f"more than {CALL_S:g} s")


def _prose(error: Exception) -> str:
    """Return what happened without the client's own objects, which change with every run."""
    return f"{type(error).__name__}: {error}".partition(" object at 0x")[0][:200]


def _ns(text: str) -> int:
    """Return the ns of a time as the API writes it (RFC 3339, in UTC)."""
    passed = datetime.fromisoformat(text) - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 10**9 + passed.microseconds * 1000


@functools.lru_cache(maxsize=1)
def _pool() -> PoolManager:
    """Return the connections of this process, which threads may share."""
    from urllib3 import PoolManager

    return PoolManager(maxsize=16)


@functools.lru_cache(maxsize=1)
def _transport() -> Any:  # noqa: ANN401  google.auth has no types
    from google.auth.transport import urllib3

    transport: Any = urllib3
    return transport.Request(_pool())


@functools.lru_cache(maxsize=1)
def _credentials() -> Credentials | None:
    """Return what the environment gives; None where it gives nothing: public buckets are read."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        found, _ = google.auth.default(scopes=[READ_ONLY])
    except DefaultCredentialsError:
        return None
    return found
