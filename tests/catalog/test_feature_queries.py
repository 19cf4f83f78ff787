"""Queries about features: which are wanted, missing, refused, on a small catalog that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_catalog import (
    ALL_MISSING,
    camera,
    clip,
    feature,
    filled,
    member_of,
    missing,
    refusal,
    sighting,
    small_catalog,
)

from catalog.query import named
from catalog.schemas.registry import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.store import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """See `small_catalog`."""
    return small_catalog(tmp_path)


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
