"""Features of single clips are found among many, without reading the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.datafile import write_file
from catalog.lookup import FeatureFiles, FeatureLookup
from catalog.schemas.clips import CLIPS
from catalog.schemas.features import FEATURES
from catalog.store import Catalog

if TYPE_CHECKING:
    from pathlib import Path

SESSIONS, CLIPS_EACH = 40, 10


def row(session: int, number: int, view: str, version: str) -> dict[str, Any]:
    """Return a feature of one clip of one camera."""
    return {
        "clip_id": f"clip{session:02}-{number}",
        "session_id": f"session{session:02}",
        "camera_id": "cam0",
        "view": view,
        "version": version,
        "given": "",
        "start_ns": number,
        "end_ns": number + 1,
        "steps": 1,
        "data": bytes([session, number % 256]),
        "mask": b"\x80",
        "scales": [1.0],
        "vector": None,
        "absent": None,
        "flow_run_id": "r",
    }


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Forty sessions of ten clips, two views of which one has an older version too."""
    made = Catalog(tmp_path_factory.mktemp("catalog"))
    for view, version in (("flow", "v1"), ("flow", "v2"), ("text", "v1")):
        for part in (range(0, SESSIONS, 2), range(1, SESSIONS, 2)):
            found = [row(s, n, view, version) for s in part for n in range(CLIPS_EACH)]
            made.commit_files(FEATURES, [write_file(FEATURES, found, made.uri)])
    made.commit(
        CLIPS,
        [
            {
                "clip_id": f"clip{s:02}-{n}",
                "session_id": f"session{s:02}",
                "start_ns": n,
                "end_ns": n + 1,
                "cameras": ["cam0"],
                "split": "train",
                "forming": "f",
                "shot_index": 0,
                "flow_run_id": "r",
            }
            for s in range(SESSIONS)
            for n in range(CLIPS_EACH)
        ],
    )
    return made


def test_one_clip_is_found_by_its_id(catalog: Catalog) -> None:
    """Both views, in the version that is asked for; a clip that is not there gives no row."""
    with FeatureLookup(catalog.snapshot(), {"flow": "v2", "text": "v1"}) as lookup:
        found = lookup.of("clip07-3").to_pylist()
        assert sorted((one["view"], one["version"]) for one in found) == [
            ("flow", "v2"),
            ("text", "v1"),
        ]
        assert all(one["data"] == bytes([7, 3]) for one in found)
        assert not lookup.of("nothing").num_rows


def test_several_clips_are_read_in_the_columns_that_are_wanted(catalog: Catalog) -> None:
    """Every clip asked for comes once, with its id and no column that nobody wants."""
    files = FeatureFiles(catalog.snapshot(), {"flow": "v1"})
    clips = {f"clip{s:02}-{n}": f"session{s:02}" for s, n in ((0, 0), (39, 9), (20, 5))}
    found = files.rows(clips, ["data"])
    assert found.column_names == ["clip_id", "data"]
    assert sorted(found["clip_id"].to_pylist()) == sorted(clips)


def test_a_long_session_is_read_about_the_clips_that_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their starts the same rows come, from one row group instead of all of the session's."""
    made = Catalog(tmp_path)
    found = [row(0, n, "flow", "v1") for n in range(1000)]
    made.commit_files(FEATURES, [write_file(FEATURES, found, made.uri)])
    files = FeatureFiles(made.snapshot(), {"flow": "v1"})
    read: list[int] = []
    whole = pq.ParquetFile.read_row_groups

    def noted(file: pq.ParquetFile, numbers: list[int], **given: Any) -> pa.Table:  # noqa: ANN401
        read.extend(numbers)
        return whole(file, numbers, **given)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    clips = dict.fromkeys(("clip00-700", "clip00-701"), "session00")
    slow = files.rows(clips)
    assert (slow.num_rows, len(read)) == (2, 8)
    read.clear()
    assert files.rows(clips, starts={"clip00-700": 700, "clip00-701": 701}).equals(slow)
    assert read == [5]


def test_a_view_that_has_no_row_gives_none(catalog: Catalog) -> None:
    """A view nobody computed, and a catalog without features, are empty and no error."""
    assert not FeatureFiles(catalog.snapshot(), {"smell": "v1"}).rows({"a": "b"}).num_rows
