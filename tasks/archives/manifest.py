"""A manifest: a CSV or Parquet file that names recordings, wherever they lie, and what they show.

Reads the manifest and asks for the size of what it names; writes nothing. Columns: `uri`
(absolute, relative to the manifest, or of an object), and optionally `session`, `camera`,
`labels`.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from itertools import islice
from typing import TYPE_CHECKING

from infra.errors import ManifestInvalidError
from tasks.archives.entry import Entry, resolve
from tasks.archives.kinds import open_file
from tasks.archives.objects import FACTS_AT_A_TIME, is_object_uri, object_facts, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("uri", "session", "camera", "labels")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
EXAMPLE = "printf 'uri,session,camera\\nday1/left.mp4,day1,left\\n' > manifest.csv"
Row = tuple[str | None, ...]


def list_manifest(manifest: str) -> Iterator[Entry]:
    """Yield what a manifest names, in its order; what is not there has 0 bytes and fails when read.

    Rows are numbered as a spreadsheet does: the header is row 1. A million rows take 100 MB.

    Raises:
        ManifestInvalidError: wrong columns, an empty or repeated uri, one with a scheme that is
            not read, or no text; no row at all.
        OSError: the manifest, or a store that it names, cannot be read.
    """
    rows = _checked(manifest, _rows(manifest))
    none = True
    while batch := list(islice(rows, FACTS_AT_A_TIME)):
        none = False
        facts = _facts([resolve(manifest, row[0] or "") for row in batch])
        for (uri, session, camera, labels), (size, mtime_ns) in zip(batch, facts, strict=True):
            yield Entry(
                manifest,
                uri or "",
                size,
                mtime_ns,
                session=session or None,
                camera=camera or None,
                labels=labels or None,
            )
    if none:
        raise _invalid(manifest, "it has no row")


def _rows(manifest: str) -> Iterator[tuple[int, Row]]:
    """Return the numbered rows of either format, in the order of `COLUMNS`."""
    is_csv = manifest.partition("?endpoint_override=")[0].lower().endswith(".csv")
    return _csv_rows(manifest) if is_csv else _parquet_rows(manifest)


def _csv_rows(manifest: str) -> Iterator[tuple[int, Row]]:
    raw = io.BufferedReader(open_file(manifest))
    with io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        number = 1
        try:
            header = next(reader, [])
            places = _places(manifest, header)
            for number, row in enumerate(reader, 2):
                if not row:
                    continue
                if len(row) != len(header):
                    raise _invalid(
                        manifest, f"row {number} has {len(row)} columns, not {len(header)}"
                    )
                yield number, tuple(None if at is None else row[at] for at in places)
        except (csv.Error, UnicodeDecodeError) as error:
            raise _invalid(manifest, f"after row {number} it is no CSV: {error}") from error


def _parquet_rows(manifest: str) -> Iterator[tuple[int, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 1
    with open_file(manifest) as file:
        try:
            table = pq.ParquetFile(file)
            places = _places(manifest, table.schema_arrow.names)
            wanted = [name for name, at in zip(COLUMNS, places, strict=True) if at is not None]
            for name in wanted:
                kind = table.schema_arrow.field(name).type
                if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                    raise _invalid(manifest, f"its column {name} is {kind}, not text")
            for batch in table.iter_batches(4096, columns=wanted):
                columns = {name: batch.column(name).to_pylist() for name in wanted}
                empty = [None] * batch.num_rows
                for row in zip(*(columns.get(name, empty) for name in COLUMNS), strict=True):
                    number += 1
                    yield number, row
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
            text = str(error).splitlines()[0]
            raise _invalid(manifest, f"after row {number} it is no Parquet: {text}") from error


def _places(manifest: str, header: list[str]) -> list[int | None]:
    """Return where each of `COLUMNS` stands."""
    for name in header:
        if name not in COLUMNS:
            raise _invalid(manifest, f"row 1 has a column {name!r}; known: {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise _invalid(manifest, f"row 1 has the column {name} twice")
    if "uri" not in header:
        raise _invalid(manifest, "row 1 has no column uri")
    return [header.index(name) if name in header else None for name in COLUMNS]


def _checked(manifest: str, rows: Iterator[tuple[int, Row]]) -> Iterator[Row]:
    seen: set[int] = set()
    for number, row in rows:
        uri = row[0]
        if not uri:
            raise _invalid(manifest, f"row {number} has no uri")
        if not is_object_uri(uri) and _SCHEME.match(uri):
            raise _invalid(manifest, f"row {number}, column uri: {uri} is neither path nor s3, gs")
        if is_object_uri(uri) and parse(uri).endpoint:
            # Whoever writes a manifest would choose where the reader's credentials go.
            raise _invalid(
                manifest,
                f"row {number}, column uri: an endpoint is not a manifest's to choose; "
                "set STILLHOUSE_S3_ENDPOINT",
            )
        if "\0" in uri:
            raise _invalid(manifest, f"row {number}, column uri: a path has no zero byte")
        if hash(uri) in seen:
            raise _invalid(manifest, f"row {number}, column uri: {uri} stands there before")
        seen.add(hash(uri))
        yield row


def _facts(uris: list[str]) -> list[tuple[int, int]]:
    """Return (bytes, time of change in ns) of each, (0, 0) where there is nothing to read."""
    objects = [uri for uri in uris if is_object_uri(uri)]
    found = dict(zip(objects, object_facts([parse(uri) for uri in objects]), strict=True))
    return [(found[uri] or (0, 0)) if uri in found else _file_facts(uri) for uri in uris]


def _file_facts(path: str) -> tuple[int, int]:
    try:
        facts = os.stat(path)  # noqa: PTH116 - a million of them
    except OSError:
        return 0, 0
    return (facts.st_size, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else (0, 0)


def _invalid(manifest: str, why: str) -> ManifestInvalidError:
    return ManifestInvalidError(f"The manifest {manifest}: {why}.", command=EXAMPLE)
