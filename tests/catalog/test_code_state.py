"""Which clips are to be encoded, asked in keys: the same as in plain SQL."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from small_catalog import feature, filled, refusal, small_catalog

from catalog import kept_keys
from catalog.code_state import FEATURE_KEYS, Wanted, code_state
from catalog.compaction import compact
from catalog.kept_keys import KeptKeys, among, merged
from catalog.query import rows
from catalog.schemas.codes import CODES
from catalog.schemas.features import FEATURES
from catalog.schemas.registry import TABLES
from catalog.vacuum import vacuum

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from catalog.store import Catalog

VIEWS = {"flow": ("v2", ""), "text": ("v3", "labels"), "stereo": ("v4", "calibration")}
CAMERAS = {"c1": ["cam01"], "c2": ["cam01", "cam02"], "c3": ["cam0"]}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """The small catalog, one of its recordings labelled."""
    made = small_catalog(tmp_path / "catalog")
    label = filled(TABLES["labels"], recording_id="alone", label="a walk")
    made.commit(TABLES["labels"], [label])
    return made


def extracted(catalog: Catalog, *without: tuple[str, str]) -> None:
    """Commit the features of every clip, but of some clips' views."""
    given = rows(catalog.snapshot(), "clip_sources")
    catalog.commit(
        FEATURES,
        [
            feature(row["clip_id"], row["camera_id"], view, version)
            | {"given": dict(row["givens"])[kind]}
            for row in given
            for view, (version, kind) in VIEWS.items()
            if dict(row["givens"])[kind] is not None and (row["clip_id"], view) not in without
        ],
    )


def code(catalog: Catalog, clip_id: str, version: str) -> dict[str, Any]:
    """Return a row of a code of a clip as it is now."""
    given = {row["clip_id"]: row["given"] for row in rows(catalog.snapshot(), "clip_givens")}
    key = {"clip_id": clip_id, "model": "m", "version": version, "given": given[clip_id]}
    return filled(CODES, code_id=f"{version}{clip_id}", first_step=0, **key)


def in_sql(catalog: Catalog, views: Mapping[str, tuple[str, str]]) -> dict[str, set[str]]:
    """Return the clips of each state as the plain query has them."""
    asked = {
        "views": list(views),
        "versions": [version for version, _ in views.values()],
        "givens": [kind for _, kind in views.values()],
        "clip_ids": None,
    }
    found = rows(catalog.snapshot(), "code_state", {"model": "m", "version": "new"} | asked)
    fresh = [row for row in found if not row["is_there"] and not row["is_refused"]]
    return {
        "cached": {row["clip_id"] for row in found if row["is_there"]},
        "refused": {row["clip_id"] for row in found if row["is_refused"] and not row["is_there"]},
        "pending": {row["clip_id"] for row in fresh if row["is_lacking"]},
        "due": {row["clip_id"] for row in fresh if not row["is_lacking"]},
    }


def both(
    catalog: Catalog, folder: Path, views: Mapping[str, tuple[str, str]] = VIEWS
) -> dict[str, set[str]]:
    """Return the state in SQL, once the one in keys is the same."""
    state = code_state(catalog.snapshot(), Wanted("m", "new", views, "old"), KeptKeys(folder), 1)
    exact = in_sql(catalog, views)
    counts = {name: len(clips) for name, clips in exact.items()}
    mine = {"cached": state.cached, "refused": state.refused, "pending": state.pending}
    assert mine | {"due": len(state.due)} == counts
    assert state.clips == sum(counts.values())
    keys = rows(catalog.snapshot(), "session_givens", {"sessions": ["take", "solo"]})
    due = {row["clip_id"] for row in keys if among(np.array([row["code"]], np.uint64), state.due)}
    assert due == exact["due"]
    assert sum(state.sessions.values()) == sum(state.shapes.values()) == len(due)
    return exact


def test_clips_wait_for_every_view_of_every_camera(catalog: Catalog, tmp_path: Path) -> None:
    """Without features all wait; with them all are due; one that lacks one view waits alone."""
    assert both(catalog, tmp_path / "k")["pending"] == {"c1", "c2", "c3"}
    extracted(catalog, ("c2", "flow"))
    assert both(catalog, tmp_path / "k")["pending"] == {"c2"}
    late = feature("c2", "cam01", "flow")
    catalog.commit(FEATURES, [late])
    assert both(catalog, tmp_path / "k")["pending"] == {"c2"}
    catalog.commit(FEATURES, [late | {"camera_id": "cam02"}])
    assert both(catalog, tmp_path / "k")["due"] == {"c1", "c2", "c3"}


def test_what_was_refused_is_not_waited_for(catalog: Catalog, tmp_path: Path) -> None:
    """A refusal of a view, of a camera, or of all of a clip; of another version it says nothing."""
    extracted(catalog, ("c1", "flow"), ("c3", "flow"), ("c2", "text"))
    catalog.commit(TABLES["quarantine"], [refusal("c1", view="flow", version="v1")])
    assert both(catalog, tmp_path / "k")["pending"] == {"c1", "c2", "c3"}
    catalog.commit(TABLES["quarantine"], [refusal("c1", view="flow", version="v2")])
    catalog.commit(TABLES["quarantine"], [refusal("c3")])
    catalog.commit(TABLES["quarantine"], [refusal("c2", camera_id="cam02")])
    assert both(catalog, tmp_path / "k")["pending"] == {"c2"}


def test_codes_that_are_there_and_clips_that_were_refused_are_not_due(
    catalog: Catalog, tmp_path: Path
) -> None:
    """A code of another version is no code of this one; a code is one whatever else is lacking."""
    extracted(catalog)
    catalog.commit(CODES, [code(catalog, "c1", "new"), code(catalog, "c2", "old")])
    refused = refusal("c3", version="new") | {"stage": "reindex"}
    catalog.commit(TABLES["quarantine"], [refused])
    found = both(catalog, tmp_path / "k")
    expected = {"cached": {"c1"}, "refused": {"c3"}, "pending": set(), "due": {"c2"}}
    assert found == expected
    state = code_state(
        catalog.snapshot(), Wanted("m", "new", VIEWS, "old"), KeptKeys(tmp_path / "k"), 4
    )
    assert state.replaced == 1
    # 10 ns of 4 are three steps, through two cameras.
    assert (state.sessions, state.shapes) == ({"take": 1}, {(3, 2): 1})


def test_another_label_makes_another_code_due(catalog: Catalog, tmp_path: Path) -> None:
    """What a clip is given is part of the key of its code and of its text."""
    extracted(catalog)
    catalog.commit(CODES, [code(catalog, name, "new") for name in CAMERAS])
    assert both(catalog, tmp_path / "k")["cached"] == set(CAMERAS)
    label = filled(TABLES["labels"], recording_id="left", label="a run")
    catalog.commit(TABLES["labels"], [label])
    found = both(catalog, tmp_path / "k")
    assert (found["cached"], found["pending"]) == ({"c3"}, {"c1", "c2"})


def test_without_any_view_nothing_is_due(catalog: Catalog, tmp_path: Path) -> None:
    """A window of nothing says nothing."""
    state = code_state(catalog.snapshot(), Wanted("m", "new", {}), KeptKeys(tmp_path / "k"), 1)
    assert (state.clips, state.pending, len(state.due)) == (3, 3, 0)


def keys_of(catalog: Catalog, folder: Path, view: str = "flow") -> list[int]:
    """Return the kept keys of a view's partition."""
    names = {"view": view, "version": "v2"}
    kept = KeptKeys(folder).keys(catalog.snapshot(), FEATURES, names, FEATURE_KEYS)
    return [int(one) for one in kept]


def test_keys_are_read_once_and_follow_the_partition(catalog: Catalog, tmp_path: Path) -> None:
    """Files that are new are added; after compaction and vacuum keys are those of the rows."""
    folder = tmp_path / "k"
    for number in range(4):
        catalog.commit(FEATURES, [feature(f"c{number}", "cam", "flow")])
        assert len(keys_of(catalog, folder)) == number + 1
    before = keys_of(catalog, folder)
    # With the files gone only what was kept can answer.
    place = tmp_path / "catalog" / "features" / "view=flow" / "version=v2"
    for file in place.glob("*.parquet"):
        file.rename(file.with_suffix(".away"))
    assert keys_of(catalog, folder) == before
    for file in place.glob("*.away"):
        file.rename(file.with_suffix(".parquet"))
    assert compact(catalog, FEATURES, many=2) == 4
    assert keys_of(catalog, folder) == before == keys_of(catalog, tmp_path / "fresh")
    catalog.commit(FEATURES, [feature("c9", "cam", "sound")])
    vacuum(catalog, FEATURES, [{"view": "sound", "version": "v2"}], keep=["c1"])
    left = keys_of(catalog, folder)
    assert len(left) == 1
    assert left == keys_of(catalog, tmp_path / "again")


def test_what_is_damaged_is_read_again(catalog: Catalog, tmp_path: Path) -> None:
    """A bit that fell over, a file that is gone, facts that are no facts: never a wrong plan."""
    folder = tmp_path / "k"
    catalog.commit(FEATURES, [feature(f"c{k}", "cam", "flow") for k in range(3)])
    before = keys_of(catalog, folder)
    (held,) = folder.glob("*.keys")
    (facts,) = folder.glob("*.json")
    held.write_bytes(bytes([held.read_bytes()[0] ^ 1]) + held.read_bytes()[1:])
    assert keys_of(catalog, folder) == before
    held.unlink()
    assert keys_of(catalog, folder) == before
    facts.write_text('["no facts"]')
    assert keys_of(catalog, folder) == before
    assert facts.read_text() != '["no facts"]'


def test_keys_of_versions_of_before_go(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not written for longest goes, with what nobody names; the rest stays."""
    folder = tmp_path / "k"
    monkeypatch.setattr(kept_keys, "MOST_KEPT", 2)
    for view in ("flow", "sound", "depth"):
        catalog.commit(FEATURES, [feature("c1", view, view)])
        assert len(keys_of(catalog, folder, view)) == 1
    assert len(list(folder.glob("*.json"))) == len(list(folder.glob("*.keys"))) == 2
    assert len(keys_of(catalog, folder, "flow")) == 1


def test_a_home_that_takes_no_files_is_read_each_time(catalog: Catalog, tmp_path: Path) -> None:
    """A plan needs no place to write."""
    catalog.commit(FEATURES, [feature("c1", "cam", "flow")])
    (tmp_path / "file").write_text("")
    assert len(keys_of(catalog, tmp_path / "file" / "k")) == 1
    shutil.rmtree(tmp_path / "catalog" / "features" / "view=flow")


def test_keys_merge_and_are_found() -> None:
    """Distinct, ascending; what is asked is found or not, also past the end and of nothing."""
    one, two = np.array([5, 1, 5], np.uint64), np.array([2**64 - 1], np.uint64)
    both = merged([one, two])
    assert both.tolist() == [1, 5, 2**64 - 1]
    none = np.empty(0, np.uint64)
    asked = np.array([0, 1, 4, 2**64 - 1], np.uint64)
    assert among(asked, both).tolist() == [False, True, False, True]
    assert among(asked, none).tolist() == [False] * 4
    assert among(none, both).tolist() == []
    assert merged([]).tolist() == []
