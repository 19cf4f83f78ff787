"""The files of `catalog/sql`: each says what it answers, and runs where nothing is yet."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from catalog.code_state import CAMERA_SETS
from catalog.comparison import FINGERPRINTS, LISTED
from catalog.query import VIEWS, ask, connect, query_names, query_text, tables_named
from catalog.schemas.registry import TABLES
from catalog.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.query import Connection

PARAMETERS = {
    "views": ["flow"],
    "versions": ["v"],
    "givens": [""],
    "clip_ids": None,
    "file_ids": ["x"],
    "limit": 9,
}
PARAMETERS |= {
    "recording_ids": ["x"],
    "session_ids": ["x"],
    "group_by_time": True,
    "with_data": True,
    "sessions": ["x"],
    "step_ns": 1,
}
# What callers bring along for the queries that read it.
HANDED = {"listed": LISTED, "fingerprints": FINGERPRINTS, "camera_sets": CAMERA_SETS}


@pytest.mark.parametrize("name", query_names())
def test_every_query_says_what_it_answers_and_runs_on_an_empty_catalog(
    name: str, tmp_path: Path
) -> None:
    """Each file begins with its question, names its parameters, and runs where nothing is."""
    text = query_text(name)
    question, *rest = text.splitlines()
    assert re.match(r"-- .+\?", question)
    comments = " ".join(line for line in [question, *rest] if line.startswith("--"))
    sql = "\n".join(line for line in rest if not line.startswith("--"))
    assert parameters_of(sql).keys() == set(re.findall(r"\$(\w+)", comments))
    with without_rows(tmp_path) as connection:
        found = ask(connection, text, parameters_of(sql))
    assert found.num_rows == (len(TABLES) if name == "counts" else 0)


@pytest.mark.parametrize("name", query_names())
def test_no_query_reads_a_table_that_it_does_not_name(name: str, tmp_path: Path) -> None:
    """Where the tables that are not opened for a query are not there at all, it runs as well."""
    text = query_text(name)
    with without_rows(tmp_path) as connection:
        for table in TABLES.keys() - {table.name for table in tables_named(text)}:
            connection.execute(f'drop view "{table}"')
        ask(connection, text, parameters_of(re.sub(r"(?m)^--.*$", "", text)))


def parameters_of(sql: str) -> dict[str, Any]:
    """Return a value for each parameter of a query."""
    return {each: PARAMETERS.get(each, "x") for each in re.findall(r"\$(\w+)", sql)}


@contextmanager
def without_rows(folder: Path) -> Iterator[Connection]:
    """Connect to a catalog of which nothing is there, with what callers bring along, empty."""
    with connect(Snapshot.take(str(folder / "nothing"))) as connection:
        for handed, schema in HANDED.items():
            connection.register(handed, schema.empty_table())
        state = {"archive_uri": "x", "refusing": "x"}
        connection.execute(f"create table compared as {query_text('listing_state')}", state)
        yield connection


def test_an_empty_table_has_its_declared_columns(tmp_path: Path) -> None:
    """Before the first commit a table is there, empty, with every column."""
    with connect(Snapshot(str(tmp_path))) as connection:
        for table in TABLES.values():
            found = ask(connection, f"from {table.name}")
            assert (found.column_names, found.num_rows) == (table.schema.names, 0)


def test_every_table_can_be_shown() -> None:
    """`show TABLE` has a query for each table, bounded by $limit."""
    for name in TABLES:
        assert query_text(f"show_{name}").rstrip().endswith("limit $limit")


def test_views_are_listed_after_what_they_read() -> None:
    """`VIEWS` is in an order that can be created, and each has its file."""
    assert set(VIEWS) <= set(query_names())
    for place, name in enumerate(VIEWS):
        later = set(VIEWS[place:])
        assert not later & set(re.findall(r"\w+", query_text(name)))
