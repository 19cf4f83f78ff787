"""The lists that people page through: every row once, in one order, of the newest snapshot."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from small_catalog import clip, small_catalog

from catalog.page.latest import Latest
from catalog.page.shelf import Shelf, page_queries, page_query
from catalog.schemas.registry import TABLES
from catalog.snapshot import Snapshot
from infra.errors import StillhouseError

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = ("first", "count", "position", "at_ns", "start_ns")
ONE_ROW = {"facts", "page_facts", "sessions_counted"}


@pytest.mark.parametrize("name", page_queries())
def test_every_question_says_what_it_asks_and_runs_where_nothing_is(
    name: str, tmp_path: Path
) -> None:
    """Each file begins with its question, names its parameters, and an empty catalog answers."""
    text = page_query(name)
    comments = " ".join(line for line in text.splitlines() if line.startswith("--"))
    sql = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    assert re.match(r"-- .+\?", text)
    parameters = set(re.findall(r"\$(\w+)", sql))
    assert parameters == set(re.findall(r"\$(\w+)", comments))
    given = {each: 0 if each in NUMBERS else "x" for each in parameters}
    found = Shelf(Snapshot.take(str(tmp_path))).rows(name, given)
    assert len(found) == (1 if name in ONE_ROW else 0)


def test_pages_of_a_list_hold_every_session_once(tmp_path: Path) -> None:
    """Pages of one row, put together, are the whole list, filtered or not."""
    shelf = Shelf(small_catalog(tmp_path).snapshot())
    pages = [shelf.rows("sessions", {"first": k, "count": 1}) for k in range(3)]
    assert [[row["session_id"] for row in page] for page in pages] == [["solo"], ["take"], []]
    asked = {"words": "TAK", "split": "", "clock": "", "kind": "", "first": 0, "count": 9}
    assert [row["session_id"] for row in shelf.rows("sessions_found", asked)] == ["take"]
    assert [row["clips"] for row in shelf.rows("sessions", {"first": 0, "count": 9})] == [1, 2]
    asked = asked | {"words": "", "kind": "sole"}
    assert [row["session_id"] for row in shelf.rows("sessions_found", asked)] == ["solo"]


def test_a_recording_with_a_copy_stands_once(tmp_path: Path) -> None:
    """Bytes that lie in two places are one recording, of one place."""
    shelf = Shelf(small_catalog(tmp_path).snapshot())
    found = shelf.rows("recording", {"recording_id": "alone"})
    assert [(row["member"], row["session_id"]) for row in found] == [("alone.mp4", "solo")]
    assert (shelf.row("facts") or {})["recordings"] == 3


def test_what_is_committed_shows_without_a_restart(tmp_path: Path) -> None:
    """The next question after a commit is answered from the new snapshot."""
    catalog = small_catalog(tmp_path)
    latest = Latest(str(tmp_path), patience_s=30)
    before = latest.shelf()
    assert latest.shelf() is before
    catalog.commit(TABLES["clips"], [clip("c9", "take", 40, "cam01")])
    after = latest.shelf()
    assert (before.row("facts") or {})["clips"] == 3
    assert (after.row("facts") or {})["clips"] == 4


def test_a_new_snapshot_is_never_waited_for_long(tmp_path: Path) -> None:
    """Without patience the old snapshot is shown at once, and the new one soon after."""
    catalog = small_catalog(tmp_path)
    latest = Latest(str(tmp_path), patience_s=0)
    before = latest.shelf()
    catalog.commit(TABLES["clips"], [clip("c9", "take", 40, "cam01")])
    assert latest.shelf() is before
    until = time.monotonic() + 30
    while latest.shelf() is before and time.monotonic() < until:
        time.sleep(0.02)
    assert (latest.shelf().row("facts") or {})["clips"] == 4


def test_a_catalog_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path) -> None:
    """A damaged log is an error with a command; once mended the next question is answered."""
    catalog = small_catalog(tmp_path)
    log = min((tmp_path / "clips" / "_delta_log").glob("*.json"))
    text = log.read_text()
    log.write_text("{")
    latest = Latest(catalog.uri)
    with pytest.raises(StillhouseError, match="cannot be read"):
        latest.shelf()
    log.write_text(text)
    assert (latest.shelf().row("facts") or {})["clips"] == 3


def test_bytes_of_the_tables_are_those_of_their_files(tmp_path: Path) -> None:
    """What the logs say a table takes is what its files take."""
    catalog = small_catalog(tmp_path)
    shelf = Shelf(catalog.snapshot())
    there = sum(path.stat().st_size for path in (tmp_path / "clips").glob("*.parquet"))
    assert shelf.bytes["clips"] == there > 0
