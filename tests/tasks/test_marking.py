"""Pairs are committed once, whatever came first, and name what a split may not divide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tasks.ingest.marking
from catalog.query import ask, connect, rows
from catalog.query import run as run_sql
from catalog.schemas.files import FILES
from catalog.schemas.recordings import RECORDINGS
from catalog.span import SECOND_NS
from catalog.table import describe
from infra.settings import Settings
from tasks.ingest.marking import mark_duplicates
from tasks.ingest.signals import NAMES, Signals
from tasks.runs.record import FlowRun

if TYPE_CHECKING:
    from pathlib import Path

STEPS, PER_STEP = 40, 6
# Name: which footage it is of, and from which quarter of a second on. "other_day" has the pictures
# of "film" and a motion of its own.
HELD = {
    "film": (1, 1, 0),
    "trimmed": (1, 1, 9),
    "other_day": (1, 2, 0),
    "stranger": (3, 3, 0),
    "tail": (3, 3, 28),
}
COPIES = {("film", "trimmed"): 9, ("stranger", "tail"): 28}
ALIKE = {("film", "other_day"), ("other_day", "trimmed")}


def recording(name: str) -> dict[str, Any]:
    """Return the row of a recording cut out of some footage."""
    pictures, motion, start = HELD[name]
    hashes = np.random.default_rng(pictures).integers(0, 2**64, STEPS, dtype=np.uint64)[start:]
    courses = np.random.default_rng(motion).normal(0, 4, (len(NAMES), STEPS * PER_STEP))
    values = courses.cumsum(axis=1)[:, start * PER_STEP :].astype(np.float32)
    times = np.arange(values.shape[1], dtype=np.int64) * (SECOND_NS // 4 // PER_STEP)
    fillers: dict[str, Any] = {"varchar": "x", "bigint": 1, "integer": 1, "boolean": False}
    row = {
        col.name: [] if col.type.endswith("[]") else fillers.get(col.type, b"")
        for col in describe(RECORDINGS)
        if not col.nullable
    }
    return row | {
        "recording_id": name,
        "duration_ns": len(hashes) * SECOND_NS // 4,
        "hashes": hashes.astype("<u8").tobytes(),
        "signals": Signals(times, *values).pack(),
    }


def a_run(home: Path) -> FlowRun:
    return FlowRun("ingest", Settings(home=home))


def stored(run: FlowRun) -> list[dict[str, Any]]:
    """Return the rows of `duplicates` that show_duplicates would, without where files are."""
    with connect(run.catalog.snapshot()) as connection:
        found = ask(connection, "from duplicates order by recording_id, other_id").to_pylist()
    return [{k: v for k, v in row.items() if k != "flow_run_id"} for row in found]


@pytest.fixture
def at_once(tmp_path: Path) -> FlowRun:
    """A catalog in which everything came at once and was marked."""
    run = a_run(tmp_path / "at_once")
    run.catalog.commit(RECORDINGS, [recording(name) for name in HELD])
    links = mark_duplicates(list(HELD), run)
    assert {(min(pair), max(pair)) for pair in links} == set(COPIES) | ALIKE
    return run


def test_each_pair_is_marked_with_its_spans(at_once: FlowRun) -> None:
    """Spans say what is shared, on both clocks; what only looks alike is not there."""
    found = stored(at_once)
    assert {(row["recording_id"], row["other_id"]) for row in found} == set(COPIES)
    for row in found:
        start = COPIES[row["recording_id"], row["other_id"]] * SECOND_NS // 4
        assert row["start_ns"] - row["other_start_ns"] == pytest.approx(start, abs=40_000_000)
        assert row["end_ns"] - row["start_ns"] == row["other_end_ns"] - row["other_start_ns"]
        assert row["end_ns"] == pytest.approx(STEPS * SECOND_NS // 4, abs=40_000_000)
        assert 0.95 < row["score"] <= 1
    assert run_sql(at_once.catalog.snapshot(), "from duplicates").num_rows == len(COPIES)


def test_the_order_of_arrival_and_the_size_of_blocks_change_nothing(
    at_once: FlowRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, in either order and tiny blocks, the table is the same and so are the links."""
    for name in ("NEW_AT_ONCE", "BLOCK_ROWS", "FETCH_ROWS"):
        monkeypatch.setattr(tasks.ingest.marking, name, 1)
    for order in (list(HELD), list(HELD)[::-1]):
        run = a_run(tmp_path / order[0])
        links = []
        for name in order:
            run.catalog.commit(RECORDINGS, [recording(name)])
            links += mark_duplicates([name], run)
        assert {(min(pair), max(pair)) for pair in links} == set(COPIES) | ALIKE
        assert len(links) == len(COPIES) + len(ALIKE)
        assert stored(run) == stored(at_once)


def test_marking_again_adds_nothing_and_links_the_same(at_once: FlowRun) -> None:
    """A run that was killed before its sessions were formed marks again."""
    before = stored(at_once)
    assert len(mark_duplicates(list(HELD), at_once)) == len(COPIES) + len(ALIKE)
    assert stored(at_once) == before
    assert mark_duplicates([], at_once) == []


def test_pairs_are_shown_where_both_files_are_there(at_once: FlowRun) -> None:
    """A pair is current while both its recordings have a place."""

    def sight(name: str, status: str, seen_ns: int) -> dict[str, Any]:
        return {
            "archive_uri": "/archive",
            "member": f"{name}.mp4",
            "size_bytes": 1,
            "mtime_ns": 1,
            "file_id": name,
            "recordings": [name],
            "session_id": None,
            "status": status,
            "seen_ns": seen_ns,
            "flow_run_id": "run",
        }

    at_once.catalog.commit(FILES, [sight(name, "present", 1) for name in HELD])
    at_once.catalog.commit(FILES, [sight("tail", "gone", 2)])
    snapshot = at_once.catalog.snapshot()
    shown = rows(snapshot, "show_duplicates", {"limit": 9})
    assert [(row["member"], row["other"]) for row in shown] == [("film.mp4", "trimmed.mp4")]
    assert shown[0]["seconds"] == pytest.approx((STEPS - 9) / 4, abs=0.04)
    counts = {row["name"]: (row["current"], row["rows"]) for row in rows(snapshot, "counts")}
    assert counts["duplicates"] == (1, 2)
