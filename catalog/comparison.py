"""An archive's members now, held against what the catalog last saw of them, as sets.

Reads a snapshot and the listing given to it; writes nothing. A million members are columns of one
Arrow table and joins in SQL, never a million objects: a run that finds nothing new stays small.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.query import ask, connect, query_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from catalog.snapshot import Snapshot

# What a listing says of a member; `place` and `hint` as in the table `files`.
LISTED = pa.schema(
    [
        ("member", pa.string()),
        ("size_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("byte_offset", pa.int64()),
        ("packed", pa.bool_()),
        ("place", pa.string()),
        ("hint", pa.string()),
    ]
)
# What reading a member found.
FINGERPRINTS = pa.schema([("member", pa.string()), ("file_id", pa.string())])
# Fresh members handed on at a time, and rows of sessions formed at a time.
FRESH_BATCH, FORMED_BATCH = 256, 1024


class Comparison:
    """A listing beside a snapshot; made by `compare`. Every answer is a query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def counts(self, forming: str) -> dict[str, int]:
        """Return how many members are `present`, `duplicate`, `quarantined` as before.

        Also `fresh` and `gone` ones, and `to_form`: those formed by something other than
        `forming`, or by another layout than the one they have now.
        """
        sql = """
            select
                case when state = 'same' then status else state end as name, count(*) as members,
                count(*) filter (where state = 'same' and (
                    forming is distinct from $forming or place is distinct from known_place
                    or hint is distinct from known_hint
                )) as to_form
            from compared group by 1"""
        rows = ask(self._connection, sql, {"forming": forming}).to_pylist()
        found = dict.fromkeys(("present", "duplicate", "quarantined", "fresh", "gone"), 0)
        found |= {row["name"]: row["members"] for row in rows}
        return found | {"to_form": sum(row["to_form"] for row in rows)}

    def fresh(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the members that must be read, some at a time, in order of name."""
        sql = """
            select l.* from listed as l join compared as c using (member)
            where c.state = 'fresh' order by l.member"""
        yield from _pages(self._connection, sql, None, FRESH_BATCH)

    def gone(self) -> list[dict[str, Any]]:
        """Return what was known of members that are there no more."""
        sql = "select * from compared where state = 'gone' order by member"
        found: list[dict[str, Any]] = ask(self._connection, sql).to_pylist()
        return found

    def to_form(
        self, fingerprints: pa.Table, forming: str, *, group_by_time: bool
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the members whose sessions must be formed, a place whole, blocks in order.

        `fingerprints` is what was read: (member, file_id). A `block` is a place, or the places
        whose recordings may have been made at one time; a page ends with a block.
        """
        self._connection.register("fingerprints", fingerprints)
        page: list[dict[str, Any]] = []
        parameters = {"forming": forming, "group_by_time": group_by_time}
        sql = query_text("members_to_form")
        for rows in _pages(self._connection, sql, parameters, FORMED_BATCH):
            for row in rows:
                if len(page) >= FORMED_BATCH and row["block"] != page[-1]["block"]:
                    yield page
                    page = []
                page.append(row)
        if page:
            yield page


def _pages(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None, size: int
) -> Iterator[list[dict[str, Any]]]:
    found = connection.sql(sql, params=dict(parameters) if parameters else None)
    for batch in found.to_arrow_reader(size):
        if batch.num_rows:
            yield batch.to_pylist()


@contextmanager
def compare(
    snapshot: Snapshot, archive_uri: str, listed: pa.Table, refusing: str
) -> Iterator[Comparison]:
    """Hold an archive's members now (`LISTED`) against a snapshot, as long as the block lasts.

    `refusing` is the digest of what files are refused by (see `listing_state.sql`).
    """
    with connect(snapshot) as connection:
        connection.register("listed", listed)
        parameters = {"archive_uri": archive_uri, "refusing": refusing}
        connection.execute(f"create table compared as {query_text('listing_state')}", parameters)
        yield Comparison(connection)
