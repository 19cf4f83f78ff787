"""Many small files become few: the same rows, one atomic step, old snapshots untouched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.compaction import compact
from catalog.contents import content_digest
from catalog.datafile import write_file
from catalog.query import run
from catalog.schemas.features import FEATURES
from catalog.schemas.shots import SHOTS
from catalog.store import Catalog

if TYPE_CHECKING:
    from catalog.table import Row


def shot(number: int) -> Row:
    """Return a row of a table without partitions."""
    return {
        "session_id": "s",
        "camera_id": "cam0",
        "recording_id": "r",
        "start_ns": number,
        "end_ns": number + 1,
        "kind": "cut",
        "forming": "f",
        "flow_run_id": "run",
    }


def feature(number: int, view: str) -> dict[str, Any]:
    """Return a row of a table with partitions."""
    return {
        "clip_id": f"c{number}",
        "session_id": "s",
        "camera_id": "cam0",
        "view": view,
        "version": "v",
        "given": "",
        "start_ns": number,
        "end_ns": number + 1,
        "steps": 1,
        "data": bytes([number]) * 9,
        "mask": b"\x80",
        "scales": [1.0],
        "flow_run_id": "run",
    }


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Ten commits of one row each in two tables, one of them in two partitions."""
    made = Catalog(tmp_path)
    for number in range(10):
        made.commit(SHOTS, [shot(number)])
        made.commit(FEATURES, [feature(number, "flow" if number < 8 else "depth")])
    return made


def test_the_rows_are_the_same_and_the_files_are_few(catalog: Catalog) -> None:
    """Contents do not change; the earlier snapshot still reads what it read."""
    before = catalog.snapshot()
    digest = content_digest(before)
    assert compact(catalog, SHOTS, many=4) == 10
    after = catalog.snapshot()
    assert (len(before.files(SHOTS)), len(after.files(SHOTS))) == (10, 1)
    assert content_digest(after) == digest == content_digest(before)
    assert catalog.commit(SHOTS, [shot(3), shot(99)]).rows_known == 1


def test_partitions_stay_apart_and_few_files_stay_as_they_are(catalog: Catalog) -> None:
    """Only the partition that has many is rewritten, within itself."""
    digest = content_digest(catalog.snapshot())
    assert compact(catalog, FEATURES, many=4) == 8
    files = [Path(file) for file in catalog.snapshot().files(FEATURES)]
    assert sorted(file.parts[-3] for file in files) == ["view=depth", "view=depth", "view=flow"]
    assert content_digest(catalog.snapshot()) == digest
    assert compact(catalog, FEATURES, many=4) == 0


def test_what_workers_wrote_meanwhile_still_commits(catalog: Catalog) -> None:
    """A file written before the rewrite and committed after it is held against the new files."""
    twice = write_file(FEATURES, [feature(1, "flow"), feature(50, "flow")], catalog.uri)
    compact(catalog, FEATURES, many=4)
    assert catalog.commit_files(FEATURES, [twice]).rows_added == 1
    counted = run(
        catalog.snapshot(), "select count(*) as n, count(distinct clip_id) as d from features"
    )
    assert counted.to_pylist() == [{"n": 11, "d": 11}]


def test_a_table_that_is_not_there_is_left_alone(tmp_path: Path) -> None:
    """Nothing to do is nothing done."""
    assert compact(Catalog(tmp_path / "none"), SHOTS) == 0
