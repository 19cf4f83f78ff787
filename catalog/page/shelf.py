"""One snapshot held open for people to page through.

Reads the snapshot's Parquet files and `catalog/page/sql/*.sql`; writes nothing. What pages go
through (sessions, clips, recordings) is kept in memory in the order in which it is shown, because
to say which of a million files are current takes a second, and a page has a tenth of one.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.page.storage import stored_bytes
from catalog.query import ask, connect, table_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.snapshot import Snapshot

SQL = Path(__file__).parent / "sql"
# Each is made from those before it and the views of the catalog.
KEPT = (
    "page_sessions",
    "page_clips",
    "page_recordings",
    "page_quarantine",
    "page_clocks",
    "page_reasons",
    "page_facts",
)
# A million clips of half a million sessions take 0.7 GB while they are made (decision 0030).
MEMORY_BYTES = 3 << 30


class Shelf:
    """A snapshot and its lists; any number of threads may ask."""

    def __init__(self, snapshot: Snapshot, *, threads: int = 1) -> None:
        started = time.perf_counter()
        files = table_files(snapshot)
        self.snapshot = snapshot
        self.bytes = stored_bytes(snapshot)
        self._connection = connect(
            snapshot, threads=threads, memory_bytes=MEMORY_BYTES, files=files
        )
        self._connection.execute("set temp_directory = ''")
        self._connection.execute("set parquet_metadata_cache = true")
        for name in KEPT:
            self._connection.execute(f"create table {name} as {page_query(name)}")
        self.seconds = time.perf_counter() - started

    def rows(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return what `catalog/page/sql/<name>.sql` gives, a dictionary a row."""
        # A cursor of its own: one connection answers one question at a time.
        with self._connection.cursor() as cursor:
            found: list[dict[str, Any]] = ask(cursor, page_query(name), parameters).to_pylist()
        return found

    def row(self, name: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the first row of what `rows` gives, None if there is none."""
        return next(iter(self.rows(name, parameters)), None)


@cache
def page_query(name: str) -> str:
    """Return the text of a file of `sql/`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def page_queries() -> list[str]:
    """Return the names of all files of `sql/`."""
    return sorted(path.stem for path in SQL.glob("*.sql"))
