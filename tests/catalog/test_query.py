"""Queries: what is current, on a small catalog whose every answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from small_catalog import (
    ALL_MISSING,
    clip,
    feature,
    filled,
    member_of,
    missing,
    refusal,
    sighting,
    small_catalog,
)

from catalog.query import batches, connect, named, query_text, rows, run
from catalog.schemas.registry import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.store import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """See `small_catalog`."""
    return small_catalog(tmp_path)


def column_of(catalog: Catalog, view: str, name: str) -> list[Any]:
    return sorted(run(catalog.snapshot(), f"select {name} from {view}")[name].to_pylist())  # noqa: S608 - ours


def test_the_latest_sighting_of_a_member_counts(catalog: Catalog) -> None:
    """A file seen again is its last sighting; a file that is gone is not current."""
    catalog.commit(TABLES["files"], [sighting("notes.mp4", "gone", seen_ns=2)])
    catalog.commit(
        TABLES["files"],
        [sighting("alone.mp4", seen_ns=2, size_bytes=9, **member_of("solo", "alone"))],
    )
    current = run(catalog.snapshot(), "from current_files order by member").to_pylist()
    assert [row["member"] for row in current] == [
        "a_copy.mp4",
        "alone.mp4",
        "take/cam01.mp4",
        "take/cam02.mp4",
    ]
    assert current[1]["size_bytes"] == 9


def test_clips_are_those_of_the_last_cutting(catalog: Catalog) -> None:
    """Cut anew by other settings, a session has its new clips, and its old ones no more."""
    again = clip("c4", "take", 0, "cam01") | {"forming": "y"}
    catalog.commit(TABLES["clips"], [again])
    assert column_of(catalog, "current_clips", "clip_id") == ["c1", "c2", "c3"]
    for name, recording in (("cam01", "left"), ("cam02", "right")):
        seen = sighting(f"take/{name}.mp4", seen_ns=2, **member_of("take", recording))
        catalog.commit(TABLES["files"], [seen | {"forming": "y"}])
    assert column_of(catalog, "current_clips", "clip_id") == ["c3", "c4"]


def test_a_recording_is_read_where_it_is_now(catalog: Catalog) -> None:
    """The original's place comes before a copy's; when it is gone the copy's serves."""
    place = "select member from current_recordings where recording_id = 'alone'"
    assert run(catalog.snapshot(), place)["member"].to_pylist() == ["alone.mp4"]
    catalog.commit(TABLES["files"], [sighting("alone.mp4", "gone", seen_ns=2)])
    assert run(catalog.snapshot(), place)["member"].to_pylist() == ["a_copy.mp4"]
    assert column_of(catalog, "current_clips", "clip_id") == ["c1", "c2", "c3"]


def test_a_clip_is_read_from_where_its_member_stands(catalog: Catalog) -> None:
    """Offset and packing are those of the last sighting; of a file of its own there are none."""
    where = "select distinct camera_id, byte_offset, packed from clip_sources order by 1"
    before = [("cam0", None, False), ("cam01", None, False), ("cam02", None, False)]
    assert [tuple(r.values()) for r in run(catalog.snapshot(), where).to_pylist()] == before
    catalog.commit(
        TABLES["files"],
        [
            sighting("alone.mp4", seen_ns=2, byte_offset=512, **member_of("solo", "alone")),
            sighting(
                "take/cam01.mp4", seen_ns=2, byte_offset=0, packed=True, **member_of("take", "left")
            ),
        ],
    )
    after = [("cam0", 512, False), ("cam01", 0, True), ("cam02", None, False)]
    assert [tuple(r.values()) for r in run(catalog.snapshot(), where).to_pylist()] == after


def test_a_session_without_a_file_is_not_current(catalog: Catalog) -> None:
    """When the last file of a session is gone so are its clips, and nothing of it is missing."""
    gone = [sighting(name, "gone", seen_ns=2) for name in ("alone.mp4", "a_copy.mp4")]
    catalog.commit(TABLES["files"], gone)
    assert column_of(catalog, "current_sessions", "session_id") == ["take"]
    assert column_of(catalog, "current_clips", "clip_id") == ["c1", "c2"]
    assert column_of(catalog, "current_recordings", "recording_id") == ["left", "right"]
    assert [row for row in ALL_MISSING if row[0] != "c3"] == missing(catalog)


def test_a_recording_carries_its_session_camera_and_clock(catalog: Catalog) -> None:
    """`current_recordings` joins content, place and membership, one row a recording here."""
    query = "select session_id, camera_id, offset_ns, member from current_recordings order by all"
    assert [tuple(row.values()) for row in run(catalog.snapshot(), query).to_pylist()] == [
        ("solo", "cam0", 0, "alone.mp4"),
        ("take", "cam01", 0, "take/cam01.mp4"),
        ("take", "cam02", 12, "take/cam02.mp4"),
    ]


def test_batches_hold_few_rows_and_all_of_them(catalog: Catalog) -> None:
    """What is too much for one answer comes in pieces, none larger than asked for."""
    with connect(catalog.snapshot()) as connection:
        found = list(batches(connection, query_text("recording_hashes"), 2))
    assert max(batch.num_rows for batch in found) <= 2
    names = sorted(name for batch in found for name in batch["recording_id"].to_pylist())
    assert names == ["alone", "left", "right"]
    assert all(len(value) == 24 for batch in found for value in batch["hashes"].to_pylist())


def test_related_sessions_are_those_named_or_holding_a_recording(catalog: Catalog) -> None:
    """Links between recordings become links between sessions without reading a hash."""

    def related(sessions: list[str], recordings: list[str]) -> list[tuple[Any, ...]]:
        wanted = {"session_ids": sessions, "recording_ids": recordings}
        found = named(catalog.snapshot(), "related_sessions", wanted).to_pylist()
        return [(row["session_id"], row["split"], row["recording_ids"]) for row in found]

    solo, take = ("solo", "heldout", ["alone"]), ("take", "train", ["left", "right"])
    assert related([], ["right", "unknown"]) == [take]
    assert related(["solo"], ["left"]) == [solo, take]
    assert related([], []) == []


def test_counts_tell_rows_and_what_of_them_is_current(catalog: Catalog) -> None:
    """After a session is gone its rows stay counted and are not current."""
    catalog.commit(
        TABLES["features"], [feature("c1", "cam01", "flow"), feature("c3", "cam0", "flow")]
    )
    gone = [sighting(name, "gone", seen_ns=2) for name in ("alone.mp4", "a_copy.mp4")]
    catalog.commit(TABLES["files"], gone)
    counts = {
        r["name"]: (r["current"], r["rows"])
        for r in named(catalog.snapshot(), "counts").to_pylist()
    }
    assert counts == {
        "files": (3, 7),
        "recordings": (2, 3),
        "duplicates": (0, 0),
        "sessions": (1, 2),
        "shots": (0, 0),
        "clips": (2, 3),
        "labels": (0, 0),
        "label_spans": (0, 0),
        "actions": (0, 0),
        "view_versions": (0, 0),
        "features": (1, 2),
        "codes": (0, 0),
        "code_versions": (0, 0),
        "generations": (0, 0),
        "robustness": (0, 0),
        "quarantine": (0, 0),
        "runs": (0, 0),
    }


def test_the_last_run_of_each_flow(catalog: Catalog) -> None:
    """The ledger keeps every run; the last of each flow is asked for most."""
    runs = [
        filled(TABLES["runs"], flow=flow, started_ns=at, flow_run_id=f"{flow}{at}")
        for flow, at in (("ingest", 1), ("ingest", 3), ("extract", 2))
    ]
    catalog.commit(TABLES["runs"], runs)
    found = named(catalog.snapshot(), "runs_latest")
    assert found["flow_run_id"].to_pylist() == ["extract2", "ingest3"]


def test_what_was_scanned_or_refused_need_not_be_scanned(catalog: Catalog) -> None:
    """A damaged span, a bad stream beside a good one, or a refused clip is not a refused file."""
    what = {"stage": "ingest", "kind": "file", "version": "limits"}
    catalog.commit(
        TABLES["recordings"], [filled(TABLES["recordings"], recording_id="r", file_id="f1")]
    )
    catalog.commit(
        TABLES["quarantine"],
        [
            filled(TABLES["quarantine"], item_id="f1", **what),
            filled(TABLES["quarantine"], item_id="f2", **what),
            filled(TABLES["quarantine"], item_id="f3", **(what | {"kind": "span"})),
            filled(TABLES["quarantine"], item_id="f5", **(what | {"version": "other limits"})),
            refusal("f4"),
        ],
    )
    wanted = {"file_ids": [f"f{k}" for k in range(6)], "refusing": "limits"}
    found = named(catalog.snapshot(), "scanned_files", wanted).to_pylist()
    assert {row["file_id"]: row["is_refused"] for row in found} == {"f1": False, "f2": True}


def test_what_people_see_names_sessions_and_keeps_the_limit(catalog: Catalog) -> None:
    """Shown tables are current, in seconds, and bounded."""
    clips = rows(catalog.snapshot(), "show_clips", {"limit": 2})
    assert [(c["clip_id"], c["session"]) for c in clips] == [("c3", "solo"), ("c1", "take")]
    sessions = rows(catalog.snapshot(), "show_sessions", {"limit": 9})
    assert [(s["session_id"], s["cameras"]) for s in sessions] == [("solo", 1), ("take", 2)]
    files = rows(catalog.snapshot(), "show_files", {"limit": 1})
    assert [(f["member"], f["seen"]) for f in files] == [("a_copy.mp4", "1970-01-01 00:00:00")]
