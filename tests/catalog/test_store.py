"""Commits: idempotent, one row a key whoever brings it, files that any reader opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.datafile import write_file
from catalog.query import run
from catalog.schemas.clips import CLIPS
from catalog.schemas.features import FEATURES
from catalog.schemas.files import FILES
from catalog.schemas.quarantine import QUARANTINE
from catalog.snapshot import Snapshot
from catalog.store import Catalog
from catalog.table import column
from infra.errors import HomeNotWritableError, TableMismatchError

if TYPE_CHECKING:
    from catalog.datafile import WrittenFile


def clip(number: int, flow_run_id: str = "run") -> dict[str, Any]:
    return {
        "clip_id": f"clip{number:04d}",
        "session_id": "session",
        "start_ns": number * 10,
        "end_ns": number * 10 + 10,
        "cameras": ["cam01", "cam02"],
        "forming": "cut",
        "split": "train",
        "shot_index": 0,
        "flow_run_id": flow_run_id,
    }


def feature(number: int, view: str = "flow") -> dict[str, Any]:
    return {
        "clip_id": f"clip{number:04d}",
        "session_id": "session",
        "camera_id": "cam01",
        "view": view,
        "version": "v1",
        "given": "",
        "start_ns": number * 10,
        "end_ns": number * 10 + 10,
        "steps": 2,
        "data": bytes([number % 256]) * 8,
        "mask": b"\xc0",
        "scales": [0.5],
        "vector": [0.0, 1.0],
        "flow_run_id": "run",
    }


def refusal(item: str, view: str | None = None) -> dict[str, Any]:
    return {
        "item_id": item,
        "kind": "clip",
        "stage": "extract",
        "reason": "no_frames",
        "detail": "nothing decoded",
        "view": view,
        "frames": 3,
        "seen_ns": 1,
        "flow_run_id": "run",
    }


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """An empty catalog in a folder that does not exist yet."""
    return Catalog(tmp_path / "home" / "catalog")


def ids(catalog: Catalog, table: str = "clips", name: str = "clip_id") -> list[str]:
    found = run(catalog.snapshot(), f"select {name} from {table} order by all")  # noqa: S608 - ours
    return [str(value) for value in found[name].to_pylist()]


def data_files(catalog: Catalog, table: str) -> set[Path]:
    return set((Path(catalog.uri) / table).rglob("*.parquet"))


def test_a_row_is_stored_once_whoever_brings_it(catalog: Catalog) -> None:
    """Rows known by key, or named twice in a batch, are counted and left out; the first stays."""
    first = catalog.commit(CLIPS, [clip(1), clip(2), clip(1, "again")])
    assert (first.rows_added, first.rows_known) == (2, 1)
    second = catalog.commit(CLIPS, [clip(2, "other"), clip(3, "other")])
    assert (second.rows_added, second.rows_known) == (1, 1)
    kept = run(catalog.snapshot(), "select clip_id, flow_run_id from clips order by clip_id")
    assert [tuple(row.values()) for row in kept.to_pylist()] == [
        ("clip0001", "run"),
        ("clip0002", "run"),
        ("clip0003", "other"),
    ]


def test_a_commit_of_nothing_new_makes_no_version(catalog: Catalog) -> None:
    """Running again leaves the catalog as it was, to the version number."""
    assert catalog.commit(CLIPS, []).version == -1
    made = catalog.commit(CLIPS, [clip(1)])
    before = (catalog.snapshot(), data_files(catalog, "clips"))
    again = catalog.commit(CLIPS, [clip(1)])
    assert (again.rows_added, again.version) == (0, made.version)
    assert (catalog.snapshot(), data_files(catalog, "clips")) == before


def test_null_in_a_key_is_a_value_like_another(catalog: Catalog) -> None:
    """A refusal of all views (null) is one row, beside the refusal of one view."""
    catalog.commit(QUARANTINE, [refusal("a"), refusal("a"), refusal("a", "flow")])
    again = catalog.commit(QUARANTINE, [refusal("a"), refusal("a", "flow"), refusal("b")])
    assert (again.rows_added, again.rows_known) == (1, 2)


def test_a_log_keeps_every_row(catalog: Catalog) -> None:
    """A table without a key appends what it is given, equal rows too."""
    sighting = {
        "archive_uri": "/a",
        "member": "x.mp4",
        "size_bytes": 1,
        "mtime_ns": 1,
        "recordings": [],
        "status": "present",
        "seen_ns": 1,
        "flow_run_id": "run",
    }
    catalog.commit(FILES, [sighting])
    catalog.commit(FILES, [sighting])
    assert len(ids(catalog, "files", "member")) == 2


def test_a_snapshot_does_not_change(catalog: Catalog) -> None:
    """What is committed later is in later snapshots only, and a snapshot survives as JSON."""
    catalog.commit(CLIPS, [clip(1)])
    early = Snapshot.from_json(catalog.snapshot().to_json())
    catalog.commit(CLIPS, [clip(2)])
    late = catalog.snapshot()
    assert run(early, "select clip_id from clips").num_rows == 1
    assert run(late, "select clip_id from clips").num_rows == 2
    assert early != late
    assert early.digest != late.digest


def test_partitions_are_folders_and_stay_columns(catalog: Catalog) -> None:
    """Rows of several views become a file each, under its view, with the view in the file too."""
    catalog.commit(FEATURES, [feature(1), feature(1, "appearance"), feature(2)])
    files = catalog.snapshot().files(FEATURES)
    assert [Path(file).parts[-3:-1] for file in files] == [
        ("view=appearance", "version=v1"),
        ("view=flow", "version=v1"),
    ]
    assert pq.ParquetFile(files[0]).read(["view"])["view"].to_pylist() == ["appearance"]
    assert sorted(ids(catalog, "features", "view")) == ["appearance", "flow", "flow"]


def test_workers_files_lose_their_known_rows(catalog: Catalog) -> None:
    """A new file stays as it is, a half-known one is written anew, a known one is removed."""
    catalog.commit_files(FEATURES, [write_file(FEATURES, [feature(1), feature(2)], catalog.uri)])
    new = write_file(FEATURES, [feature(5)], catalog.uri)
    half = write_file(FEATURES, [feature(2), feature(3), feature(5)], catalog.uri)
    old = write_file(FEATURES, [feature(1)], catalog.uri)
    made = catalog.commit_files(FEATURES, [new, half, old])
    assert (made.rows_added, made.rows_known) == (2, 3)
    assert ids(catalog, "features") == ["clip0001", "clip0002", "clip0003", "clip0005"]
    assert {str(path) for path in data_files(catalog, "features")} == set(
        catalog.snapshot().files(FEATURES)
    )


def test_views_of_one_clip_do_not_hide_one_another(catalog: Catalog) -> None:
    """Files of two views of one clip, in one call, are both new."""
    files = [
        write_file(FEATURES, [feature(1, view)], catalog.uri) for view in ("flow", "appearance")
    ]
    assert catalog.commit_files(FEATURES, files).rows_added == 2


def test_the_same_files_may_be_committed_again(catalog: Catalog) -> None:
    """A driver that was killed after its commit repeats it without harm: the files stay."""
    files = [write_file(FEATURES, [feature(n)], catalog.uri) for n in range(3)]
    catalog.commit_files(FEATURES, files)
    again = catalog.commit_files(FEATURES, files)
    assert (again.rows_added, again.rows_known) == (0, 3)
    assert run(catalog.snapshot(), "select data from features").num_rows == 3


def test_a_file_of_two_partitions_is_refused(catalog: Catalog) -> None:
    """A worker's file lies in one folder, so its rows have one view and one version."""
    with pytest.raises(TableMismatchError, match="holds one view"):
        write_file(FEATURES, [feature(1), feature(2, "appearance")], catalog.uri)
    with pytest.raises(TableMismatchError, match="stands in paths"):
        write_file(FEATURES, [feature(1, "../escape")], catalog.uri)


def test_a_file_that_was_not_committed_is_in_no_snapshot(catalog: Catalog) -> None:
    """What a killed worker left behind does not count."""
    catalog.commit(FEATURES, [feature(1)])
    orphan: WrittenFile = write_file(FEATURES, [feature(2)], catalog.uri)
    assert ids(catalog, "features") == ["clip0001"]
    assert orphan.rows == 1


def test_a_column_declared_later_is_added_and_null_before(catalog: Catalog) -> None:
    """An old catalog takes a new version's rows; old rows have null in the new column."""
    catalog.commit(CLIPS, [clip(1)])
    added = column("caption", pa.string(), "what is seen", null=True)
    newer = replace(CLIPS, schema=CLIPS.schema.append(added))
    catalog.commit(newer, [clip(2) | {"caption": "a kerb"}])
    catalog.commit(CLIPS, [clip(3)])
    found = run(catalog.snapshot(), "select caption from clips order by clip_id")
    assert found["caption"].to_pylist() == [None, "a kerb", None]


def test_a_stored_table_that_cannot_grow_is_refused(catalog: Catalog) -> None:
    """A column of another type, or a new one that may not be null, is an error that says so."""
    catalog.commit(CLIPS, [clip(1)])
    required = CLIPS.schema.append(column("caption", pa.string(), "what is seen"))
    with pytest.raises(TableMismatchError, match="lacks caption"):
        catalog.commit(replace(CLIPS, schema=required), [clip(2) | {"caption": "x"}])
    index = CLIPS.schema.get_field_index("shot_index")
    retyped = CLIPS.schema.set(index, column("shot_index", pa.string(), "another type"))
    with pytest.raises(TableMismatchError, match="shot_index is stored as"):
        catalog.commit(replace(CLIPS, schema=retyped), [clip(2) | {"shot_index": "x"}])
    assert ids(catalog) == ["clip0001"]


def test_what_is_stored_is_plain_parquet_with_its_documentation(catalog: Catalog) -> None:
    """Any Parquet reader opens the files: zstd, sorted, columns documented."""
    catalog.commit(CLIPS, [clip(2), clip(1)])
    (file,) = catalog.snapshot().files(CLIPS)
    stored = pq.ParquetFile(file)
    assert stored.metadata.row_group(0).column(0).compression == "ZSTD"
    assert stored.read(["clip_id"])["clip_id"].to_pylist() == ["clip0001", "clip0002"]
    assert stored.schema_arrow.field("clip_id").metadata[b"doc"] == b"hash of session and span"


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """A path through a file cannot hold a catalog, and the error names the remedy."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "catalog", tmp_path / "file"):
        with pytest.raises(HomeNotWritableError, match="a file is in the way"):
            Catalog(path).commit(CLIPS, [clip(1)])
