"""Queries: what is current, what is missing, on a small catalog whose every answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from catalog.query import batches, connect, named, query_text, rows, run
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from catalog.table import describe

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.table import Table

FILLERS: dict[str, Any] = {"varchar": "x", "bigint": 1, "integer": 1, "boolean": False}
FILLERS |= {"double": 0.0, "blob": b""}


def filled(table: Table, **given: object) -> dict[str, Any]:
    """Return a row with what a test does not care about filled in."""
    row = {
        col.name: [] if col.type.endswith("[]") else FILLERS[col.type]
        for col in describe(table)
        if not col.nullable
    }
    return row | given


def sighting(
    member: str, status: str = "present", seen_ns: int = 1, **given: object
) -> dict[str, Any]:
    where = {"archive_uri": "/archive", "member": member, "status": status, "seen_ns": seen_ns}
    where["forming"] = "x"
    return filled(TABLES["files"], **where, **given)


def member_of(session: str, *recordings: str) -> dict[str, Any]:
    """Return the columns of a sighting that say whose recording it is."""
    return {"session_id": session, "recordings": list(recordings)}


def camera(name: str, recording: str, offset_ns: int) -> dict[str, Any]:
    return {"camera_id": name, "recording_id": recording, "offset_ns": offset_ns}


def clip(name: str, session: str, start_ns: int, *cameras: str) -> dict[str, Any]:
    span = {"start_ns": start_ns, "end_ns": start_ns + 10}
    return filled(TABLES["clips"], clip_id=name, session_id=session, cameras=list(cameras), **span)


def feature(clip_id: str, camera_id: str, view: str, version: str = "v2") -> dict[str, Any]:
    key = {"clip_id": clip_id, "camera_id": camera_id, "view": view, "version": version}
    key["given"] = ""
    return filled(TABLES["features"], **key)


def refusal(clip_id: str, **given: object) -> dict[str, Any]:
    what = {"item_id": clip_id, "kind": "clip", "stage": "extract", "frames": 5}
    return filled(TABLES["quarantine"], **what, **given)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """One take of two cameras (two clips) and one recording alone (one clip), which has a copy.

    The second camera joins late, so it is in the second clip only.
    """
    made = Catalog(tmp_path)
    hashes = np.arange(3, dtype="<u8").tobytes()
    for name in ("left", "right", "alone"):
        row = filled(TABLES["recordings"], recording_id=name, hashes=hashes, member=f"{name}.mp4")
        made.commit(TABLES["recordings"], [row])
    cameras = {
        "take": [camera("cam01", "left", 0), camera("cam02", "right", 12)],
        "solo": [camera("cam0", "alone", 0)],
    }
    sessions = [
        filled(TABLES["sessions"], session_id=name, name=name, cameras=cameras[name], split=split)
        for name, split in (("take", "train"), ("solo", "heldout"))
    ]
    made.commit(TABLES["sessions"], sessions)
    clips = [clip("c1", "take", 0, "cam01"), clip("c2", "take", 12, "cam01", "cam02")]
    made.commit(TABLES["clips"], [*clips, clip("c3", "solo", 0, "cam0")])
    made.commit(
        TABLES["files"],
        [
            sighting("take/cam01.mp4", **member_of("take", "left")),
            sighting("take/cam02.mp4", **member_of("take", "right")),
            sighting("alone.mp4", **member_of("solo", "alone")),
            sighting("a_copy.mp4", "duplicate", **member_of("solo", "alone")),
            sighting("notes.mp4", "quarantined"),
        ],
    )
    return made


def missing(catalog: Catalog, clip_ids: list[str] | None = None) -> list[tuple[str, ...]]:
    wanted = {"views": ["flow", "sound"], "versions": ["v2", "v7"], "givens": ["", ""]}
    wanted["clip_ids"] = clip_ids
    found = named(catalog.snapshot(), "missing_features", wanted)
    return [(r["clip_id"], r["camera_id"], r["view"]) for r in found.to_pylist()]


def column_of(catalog: Catalog, view: str, name: str) -> list[Any]:
    return sorted(run(catalog.snapshot(), f"select {name} from {view}")[name].to_pylist())  # noqa: S608 - ours


ALL_MISSING = [
    (clip_id, camera_id, view)
    for clip_id, camera_id in (("c3", "cam0"), ("c1", "cam01"), ("c2", "cam01"), ("c2", "cam02"))
    for view in ("flow", "sound")
]


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


def test_all_wanted_features_of_a_new_catalog_are_missing_in_order(catalog: Catalog) -> None:
    """One row a clip, its camera and a wanted view, by session, camera and time, with its bytes."""
    assert missing(catalog) == ALL_MISSING
    found = named(
        catalog.snapshot(),
        "missing_features",
        {"views": ["flow"], "versions": ["v2"], "givens": [""], "clip_ids": ["c2"]},
    )
    assert found.select(["member", "offset_ns", "version", "recording_id"]).to_pylist() == [
        {"member": "take/cam01.mp4", "offset_ns": 0, "version": "v2", "recording_id": "left"},
        {"member": "take/cam02.mp4", "offset_ns": 12, "version": "v2", "recording_id": "right"},
    ]


def test_features_of_another_version_camera_or_view_do_not_count(catalog: Catalog) -> None:
    """Only the wanted view and version of that clip and camera makes it done."""
    done = [feature("c1", "cam01", "flow"), feature("c2", "cam02", "sound", "v7")]
    stale = [feature("c2", "cam01", "flow", "v1"), feature("c3", "cam0", "text")]
    catalog.commit(TABLES["features"], [*done, *stale])
    expected = set(ALL_MISSING) - {("c1", "cam01", "flow"), ("c2", "cam02", "sound")}
    assert set(missing(catalog)) == expected
    assert missing(catalog, ["c1"]) == [("c1", "cam01", "sound")]
    assert missing(catalog, []) == []


def test_what_is_refused_is_not_missing(catalog: Catalog) -> None:
    """A refusal holds for what it names (null: all), and only at extraction."""
    refused = [
        refusal("c3"),
        refusal("c2", camera_id="cam02", view="flow", version="v2"),
        refusal("c2", camera_id="cam01", view="flow", version="v1"),
        refusal("c1") | {"stage": "generate"},
    ]
    catalog.commit(TABLES["quarantine"], refused)
    expected = [r for r in ALL_MISSING if r[0] != "c3" and r != ("c2", "cam02", "flow")]
    assert missing(catalog) == expected


def test_feature_states_add_up_to_what_is_wanted(catalog: Catalog) -> None:
    """Wanted = cached + quarantined + missing for each view; what is there is not refused too."""
    catalog.commit(
        TABLES["features"], [feature("c1", "cam01", "flow"), feature("c3", "cam0", "flow")]
    )
    catalog.commit(TABLES["quarantine"], [refusal("c2", camera_id="cam02"), refusal("c3")])
    wanted = {"views": ["flow", "sound"], "versions": ["v2", "v7"], "givens": ["", ""]}
    wanted["clip_ids"] = None
    states = named(catalog.snapshot(), "feature_state", wanted).to_pylist()
    assert [tuple(state.values()) for state in states] == [
        ("flow", "v2", 4, 2, 1, 1),
        ("sound", "v7", 4, 0, 2, 2),
    ]


def test_features_are_read_with_the_split_of_their_clip(catalog: Catalog) -> None:
    """Training reads features of a version by clip, one row each though a clip has two cameras."""
    both = [feature("c2", "cam01", "flow"), feature("c2", "cam02", "flow")]
    catalog.commit(TABLES["features"], [*both, feature("c2", "cam02", "flow", "v1")])
    wanted = {"views": ["flow"], "versions": ["v2"], "givens": [""], "clip_ids": None}
    found = named(catalog.snapshot(), "clip_features", wanted).to_pylist()
    assert [(row["camera_id"], row["version"]) for row in found] == [
        ("cam01", "v2"),
        ("cam02", "v2"),
    ]
    versions = named(catalog.snapshot(), "explain_feature", {"clip_id": "c2", "view": "flow"})
    assert versions["version"].to_pylist() == ["v2", "v1", "v2"]


def test_a_feature_holds_for_what_it_was_given(catalog: Catalog) -> None:
    """Other labels make a feature of labels stale, and leave those alone that use none."""
    wanted = {"views": ["text", "flow"], "versions": ["v2", "v2"], "givens": ["labels", ""]}
    wanted["clip_ids"] = ["c3"]
    due = named(catalog.snapshot(), "missing_features", wanted).to_pylist()
    given = {row["view"]: row["given"] for row in due}
    assert given == {"flow": "", "text": ""}
    done = [feature("c3", "cam0", name) | {"given": given[name]} for name in given]
    catalog.commit(TABLES["features"], done)
    assert not named(catalog.snapshot(), "missing_features", wanted).num_rows
    catalog.commit(TABLES["labels"], [filled(TABLES["labels"], recording_id="alone", label="run")])
    (late,) = named(catalog.snapshot(), "missing_features", wanted).to_pylist()
    assert (late["view"], late["labels"], late["given"] != "") == ("text", ["run"], True)
    assert named(catalog.snapshot(), "clip_features", wanted)["view"].to_pylist() == ["flow"]


def test_a_view_of_calibrated_cameras_is_wanted_where_there_is_a_calibration(
    catalog: Catalog,
) -> None:
    """Without a calibration there is nothing due; with another one, what was done is stale."""
    wanted = {"views": ["stereo"], "versions": ["v2"], "givens": ["calibration"]}
    wanted["clip_ids"] = None
    assert not named(catalog.snapshot(), "feature_state", wanted).num_rows
    rig = {"session_id": "rig", "calibration": "{}", "cameras": [camera("cam0", "alone", 0)]}
    catalog.commit(TABLES["sessions"], [filled(TABLES["sessions"], **rig)])
    catalog.commit(TABLES["files"], [sighting("b.mp4", **member_of("rig", "alone"))])
    catalog.commit(TABLES["clips"], [clip("c4", "rig", 0, "cam0")])
    (state,) = named(catalog.snapshot(), "feature_state", wanted).to_pylist()
    assert (state["wanted"], state["missing"]) == (1, 1)


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
