"""Rows that nobody reads any more go for good; what is kept, and what is named, stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from filled_rows import filled

from catalog.query import run
from catalog.schemas.codes import CODES
from catalog.schemas.generations import GENERATIONS
from catalog.store import Catalog
from catalog.vacuum import Vacuumed, vacuum

NEW = {"model": "m", "version": "new"}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Four codes of each of two versions, two of the old in a file of their own."""
    made = Catalog(tmp_path / "catalog")
    for version, numbers in (("old", (0, 1)), ("old", (2, 3)), ("new", (0, 1, 2, 3))):
        made.commit(
            CODES,
            [
                filled(CODES) | {"code_id": f"{version}{n}", "model": "m", "version": version}
                for n in numbers
            ],
        )
    return made


def ids(catalog: Catalog) -> list[str]:
    """Return the codes that are there."""
    found = run(catalog.snapshot(), "select code_id from codes order by code_id")
    return found["code_id"].to_pylist()


def test_other_partitions_go_with_their_files(catalog: Catalog) -> None:
    """Rows and files of the old version are gone, those of the new as they were."""
    gone = vacuum(catalog, CODES, [NEW])
    assert (gone.rows, gone.files) == (4, 2)
    assert gone.bytes > 0
    assert ids(catalog) == ["new0", "new1", "new2", "new3"]
    files = list(Path(catalog.uri).rglob("version=old/*.parquet"))
    assert files == []
    assert vacuum(catalog, CODES, [NEW]) == Vacuumed()


def test_a_row_that_is_kept_outlives_its_partition(catalog: Catalog) -> None:
    """Only its file is written again; one whose rows all stay is not touched."""
    gone = vacuum(catalog, CODES, [NEW], keep=["old1"])
    assert gone.rows == 3
    assert ids(catalog) == ["new0", "new1", "new2", "new3", "old1"]
    assert vacuum(catalog, CODES, [NEW], keep=["old1"]) == Vacuumed()


def test_it_refuses_to_empty_a_table_and_leaves_an_absent_one(catalog: Catalog) -> None:
    """No partition named is a caller's mistake; no table is nothing to do."""
    with pytest.raises(ValueError, match="which partitions"):
        vacuum(catalog, CODES, [])
    assert vacuum(catalog, GENERATIONS, [NEW]) == Vacuumed()


def test_the_table_takes_rows_afterwards(catalog: Catalog) -> None:
    """A code that went may be made again."""
    vacuum(catalog, CODES, [NEW])
    row = filled(CODES) | {"code_id": "old0", "model": "m", "version": "old"}
    assert catalog.commit(CODES, [row]).rows_added == 1
