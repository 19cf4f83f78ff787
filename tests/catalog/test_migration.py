"""A catalog that an older version made is brought forward, or refused with what to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from small_catalog import clip, feature, small_catalog

from catalog.migration import bring_forward
from catalog.query import run
from catalog.schemas.clips import CLIPS
from catalog.schemas.features import FEATURES
from catalog.store import Catalog
from catalog.table import column
from infra.errors import CatalogOutdatedError

if TYPE_CHECKING:
    from pathlib import Path

    from catalog.table import Table


def before(table: Table, *names: str) -> Table:
    """Return a table as it was declared before some columns came."""
    schema = pa.schema([field for field in table.schema if field.name not in names])
    key = tuple(name for name in table.key if name not in names)
    return replace(table, schema=schema, key=key)


def without(row: dict, *names: str) -> dict:
    return {name: value for name, value in row.items() if name not in names}


def old_catalog(folder: Path) -> Catalog:
    """Make a catalog before clips had `forming` and features `given`, as there once was one."""
    made = Catalog(folder / "catalog")
    clips = [without(clip(name, "take", k, "cam01"), "forming") for k, name in enumerate("ab")]
    made.commit(before(CLIPS, "forming"), clips)
    for name in ("flow", "depth"):
        row = without(feature("a", "cam01", name), "given", "absent")
        made.commit(before(FEATURES, "given", "absent"), [row])
    return made


def test_an_older_catalog_is_brought_forward_without_loss(tmp_path: Path) -> None:
    """Every row stays, says "not known" in the new column, and new rows stand beside it."""
    made = old_catalog(tmp_path)
    old = made.snapshot()
    assert bring_forward(made) == ["clips", "features"]
    found = run(made.snapshot(), "select clip_id, forming from clips order by all").to_pylist()
    assert found == [{"clip_id": name, "forming": ""} for name in "ab"]
    found = run(made.snapshot(), "select view, given, absent from features order by all")
    assert found.to_pylist() == [
        {"view": name, "given": "", "absent": None} for name in ("depth", "flow")
    ]
    # The old key is one of the new: the same row again is known, one of another forming is not.
    same, other = clip("a", "take", 0, "cam01"), clip("a", "take", 0, "cam01")
    commit = made.commit(CLIPS, [same | {"forming": ""}, other | {"forming": "cut"}])
    assert (commit.rows_known, commit.rows_added) == (1, 1)
    assert run(old, "from clips").num_rows == 2


def test_what_is_of_this_version_is_left_alone(tmp_path: Path) -> None:
    """To bring forward again, or a catalog of this version, makes no version of any table."""
    made = small_catalog(tmp_path)
    versions = made.snapshot()
    assert bring_forward(made) == []
    assert made.snapshot() == versions
    older = old_catalog(tmp_path / "older")
    bring_forward(older)
    versions = older.snapshot()
    assert bring_forward(older) == []
    assert older.snapshot() == versions
    assert bring_forward(Catalog(tmp_path / "none")) == []


def test_a_column_of_another_type_is_refused_with_what_to_run(tmp_path: Path) -> None:
    """Nothing is guessed: the error names the column and how to begin beside what is there."""
    made = Catalog(tmp_path / "catalog")
    changed = [
        column(field.name, pa.string(), "x") if field.name == "shot_index" else field
        for field in CLIPS.schema
    ]
    row = clip("a", "take", 0, "cam01") | {"shot_index": "first"}
    made.commit(replace(CLIPS, schema=pa.schema(changed)), [row])
    with pytest.raises(CatalogOutdatedError, match=r"clips\.shot_index is stored as") as caught:
        bring_forward(made)
    assert "STILLHOUSE_CATALOG_URI=" in str(caught.value.command)
    assert run(made.snapshot(), "select clip_id from clips").num_rows == 1


def test_what_this_version_does_not_know_is_not_thrown_away(tmp_path: Path) -> None:
    """A table that lacks columns and has others is of no version before this one."""
    made = Catalog(tmp_path / "catalog")
    odd = before(CLIPS, "forming")
    odd = replace(odd, schema=odd.schema.append(column("mood", pa.string(), "x")))
    made.commit(odd, [without(clip("a", "take", 0, "cam01"), "forming") | {"mood": "calm"}])
    with pytest.raises(CatalogOutdatedError, match="lacks forming and has mood"):
        bring_forward(made)
    assert run(made.snapshot(), "select clip_id from clips").num_rows == 1
