"""The files of `catalog/sql`: each says what it answers, and runs where nothing is yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from catalog.code_state import CAMERA_SETS
from catalog.comparison import FINGERPRINTS, LISTED
from catalog.query import VIEWS, ask, connect, query_names, query_text
from catalog.schemas.registry import TABLES
from catalog.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

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
    names = set(re.findall(r"\$(\w+)", sql))
    assert names == set(re.findall(r"\$(\w+)", comments))
    parameters = {each: PARAMETERS.get(each, "x") for each in names}
    empty = Snapshot.take(str(tmp_path / "nothing"))
    with connect(empty) as connection:
        for handed, schema in HANDED.items():
            connection.register(handed, schema.empty_table())
        state = {"archive_uri": "x", "refusing": "x"}
        connection.execute(f"create table compared as {query_text('listing_state')}", state)
        found = ask(connection, text, parameters)
    assert found.num_rows == (len(TABLES) if name == "counts" else 0)


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
