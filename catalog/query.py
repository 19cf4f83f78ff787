"""Asks a snapshot in SQL: every table is a view over its Parquet files, named queries are files.

Reads the snapshot's Parquet files and `catalog/sql/*.sql`; writes nothing. `usersql.py` is the
guarded way for SQL that a user typed; what is here runs our own.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from catalog.remote import reach
from catalog.schemas.registry import TABLES
from catalog.table import describe
from infra.storage import store_errors

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    import pyarrow as pa

    from catalog.snapshot import Snapshot
    from catalog.table import Table

# As text: a reference to the class from here outlives the library, which complains at exit.
Connection: TypeAlias = "duckdb.DuckDBPyConnection"
Configuration: TypeAlias = dict[str, str | bool | int | float | list[str]]

SQL = Path(__file__).parent / "sql"
# Views that stand beside the tables, each after those it reads. Every other file of `sql/` is a
# query with parameters, asked by `named`.
VIEWS = (
    "current_files",
    "current_sessions",
    "recording_places",
    "session_cameras",
    "current_recordings",
    "current_clips",
    "current_shots",
    "clip_sources",
    "clip_givens",
    "current_codes",
    "current_label_spans",
)
# Nothing is fetched, and a Python variable that bears a table's name is never read in its place.
CONFIGURATION: Configuration = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


def connect(
    snapshot: Snapshot,
    *,
    threads: int = 1,
    memory_bytes: int | None = None,
    files: Mapping[str, Sequence[str]] | None = None,
    names: Container[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a connection in which every table of the catalog and every view of `VIEWS` is.

    A table that has no file yet is an empty view with the declared types, so any query runs on
    any catalog. `files` spares a second look into the logs where `table_files` is known already.
    With `names` only those tables and views are made: all others cost 60 ms. Close it, or use it
    as a context manager.
    """
    files = table_files(snapshot) if files is None else files
    limits: Configuration = {"threads": threads}
    if memory_bytes is not None:
        limits["memory_limit"] = f"{memory_bytes}B"
    connection = duckdb.connect(":memory:", config=CONFIGURATION | limits)
    reach(connection, snapshot.catalog_uri)
    for table in TABLES.values():
        if names is None or table.name in names:
            sql = _table_sql(table, files[table.name])
            connection.execute(f'create view "{table.name}" as {sql}')
    for name in VIEWS:
        if names is None or name in names:
            connection.execute(f'create view "{name}" as {query_text(name)}')
    return connection


def table_files(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the Parquet files of each table; 4 ms a table."""
    return {table.name: snapshot.files(table) for table in TABLES.values()}


def connect_to(
    snapshot: Snapshot,
    tables: Sequence[Table],
    *,
    threads: int = 1,
    memory_bytes: int | None = None,
    names: Container[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a connection in which these tables are, and all others empty.

    With `names` only those tables and views are made. Opening a table costs a look into every
    file of it: 4 s where it has 100 million rows.
    """
    files: dict[str, tuple[str, ...]] = dict.fromkeys(TABLES, ())
    files |= {table.name: snapshot.files(table) for table in tables}
    return connect(snapshot, threads=threads, memory_bytes=memory_bytes, files=files, names=names)


def tables_named(sql: str) -> list[Table]:
    """Return the tables that a query may read, those below the views that it names included.

    Every word counts as a name, but lines of comment: a table too many costs time, and none is
    left out. DuckDB's own `get_table_names` refuses parameters and `using`.
    """
    words = _names(sql)
    return [table for table in TABLES.values() if table.name in words]


def _names(sql: str) -> set[str]:
    """Return every word of a query and of the views that it may read."""
    words = _words(sql)
    # Each view stands after those it reads.
    for view in reversed(VIEWS):
        if view in words:
            words |= _words(query_text(view))
    return words


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", re.sub(r"(?m)^\s*--.*$", "", sql).lower()))


def run(
    snapshot: Snapshot, sql: str, parameters: Mapping[str, Any] | None = None, *, threads: int = 1
) -> pa.Table:
    """Return what one of our own queries gives; `$name` in it is `parameters["name"]`.

    Only the tables and views that it names are made.
    """
    tables, names = tables_named(sql), _names(sql)
    with (
        store_errors(snapshot.catalog_uri),
        connect_to(snapshot, tables, threads=threads, names=names) as connection,
    ):
        return ask(connection, sql, parameters)


def named(
    snapshot: Snapshot,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
) -> pa.Table:
    """Return what `catalog/sql/<name>.sql` gives; its first lines say which parameters it takes."""
    return run(snapshot, query_text(name), parameters, threads=threads)


def rows(
    snapshot: Snapshot,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    threads: int = 1,
) -> list[dict[str, Any]]:
    """Return what `named` gives as one dictionary a row."""
    found: list[dict[str, Any]] = named(snapshot, name, parameters, threads=threads).to_pylist()
    return found


def batches(
    connection: duckdb.DuckDBPyConnection, sql: str, rows_at_a_time: int
) -> Iterator[pa.RecordBatch]:
    """Yield what a query gives in batches of at most so many rows, one held at a time.

    The connection answers nothing else meanwhile: ask on another one.
    """
    yield from connection.sql(sql).to_arrow_reader(rows_at_a_time)


def ask(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any] | None = None
) -> pa.Table:
    """Return what a query gives on an open connection, for several questions in a row."""
    return connection.sql(sql, params=dict(parameters) if parameters else None).to_arrow_table()


@cache
def query_text(name: str) -> str:
    """Return the text of a file of `sql/`."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def query_names() -> list[str]:
    """Return the names of all files of `sql/`."""
    return sorted(path.stem for path in SQL.glob("*.sql"))


def _table_sql(table: Table, files: Sequence[str]) -> str:
    """Return the query that is the table: its declared columns, joined by name with its files.

    The empty half gives columns to a table without files and those that no file has yet; the
    planner removes it, and filters and column choice reach the files (checked with EXPLAIN).
    """
    columns = ", ".join(f'null::{col.type} as "{col.name}"' for col in describe(table))
    empty = f"select {columns} where false"
    if not files:
        return empty
    listed = ", ".join(literal(file) for file in files)
    return (
        f"({empty}) union all by name "
        f"(from read_parquet([{listed}], union_by_name=true, hive_partitioning=false))"
    )


def literal(text: str) -> str:
    """Write a string as SQL does."""
    return "'" + text.replace("'", "''") + "'"
