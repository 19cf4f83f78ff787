"""Tables: declared once with documentation; what does not fit is refused by name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from catalog.schemas.registry import TABLES, table_named
from catalog.schemas.sessions import SESSIONS
from catalog.table import Table, column, conform, describe
from infra.errors import TableMismatchError, UnknownTableError

POINT = pa.struct([pa.field("x", pa.int64(), nullable=False), pa.field("y", pa.float64())])
SMALL = Table(
    name="small",
    doc="for tests",
    schema=pa.schema(
        [
            column("id", pa.string(), "its name"),
            column("at_ns", pa.int64(), "a time"),
            column("points", pa.list_(POINT), "places"),
            column("note", pa.string(), "a remark", null=True),
        ]
    ),
    key=("id",),
)
GOOD = {"id": "a", "at_ns": 1, "points": [{"x": 1, "y": 0.5}]}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_is_documented_and_every_time_is_an_integer(table: Table) -> None:
    """Each column has a sentence; `*_ns` is bigint."""
    columns = describe(table)
    assert all(col.doc for col in columns)
    assert all(col.type.startswith("bigint") for col in columns if col.name.endswith("_ns"))
    assert [col.name for col in columns if col.key] == [
        name for name in table.schema.names if name in table.key
    ]


def test_describe_writes_types_as_sql_does() -> None:
    """A nested column reads like SQL, so what is shown can be typed."""
    cameras = next(col for col in describe(SESSIONS) if col.name == "cameras")
    assert cameras.type.startswith("struct(camera_id varchar, recording_id varchar, offset_ns")
    assert cameras.type.endswith("[]")


def test_rows_and_arrow_tables_become_the_schema_exactly() -> None:
    """Dictionaries in any order and Arrow columns of narrower types give the same table."""
    rows = conform(SMALL, [GOOD, {"note": "n", **GOOD}])
    arrow = conform(
        SMALL,
        pa.table(
            {
                "note": pa.array([None, "n"]),
                "at_ns": pa.array([1, 1], pa.int32()),
                "points": pa.array([GOOD["points"]] * 2),
                "id": pa.array(["a", "a"], pa.large_string()),
            }
        ),
    )
    assert rows.schema.equals(SMALL.schema, check_metadata=True)
    assert arrow.schema.equals(SMALL.schema, check_metadata=True)
    assert rows.equals(arrow)
    assert conform(SMALL, []).num_rows == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (GOOD | {"extra": 1}, "no column extra"),
        ({"id": "a", "points": []}, r"small\.at_ns may not be null; 1 rows are"),
        (GOOD | {"at_ns": 1.5}, r"small\.at_ns is bigint"),
        (GOOD | {"points": [{"x": 1.0}]}, r"small\.points\[\]\.x got 1\.0"),
        (GOOD | {"at_ns": 2**63}, r"small\.at_ns is bigint"),
        (GOOD | {"at_ns": "1"}, r"small\.at_ns is bigint"),
        (GOOD | {"id": 7}, r"small\.id is varchar"),
        (GOOD | {"id": "\udcff"}, r"small\.id is varchar"),
        (GOOD | {"points": [{"x": 1, "z": 2}]}, r"small\.points\[\] has no z"),
        (GOOD | {"points": [{"y": 2.0}]}, r"small\.points\[\]\.x may not be null"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(row: dict[str, object], message: str) -> None:
    """Unknown names, nulls and values that would change are refused, inside structs too."""
    with pytest.raises(TableMismatchError, match=message):
        conform(SMALL, [GOOD, row])


def test_arrow_columns_that_would_change_are_refused() -> None:
    """A cast that loses something, or a column that is absent and needed, is refused."""
    whole = conform(SMALL, [GOOD])
    halves = whole.set_column(1, "at_ns", pa.array([1.5]))
    with pytest.raises(TableMismatchError, match="at_ns"):
        conform(SMALL, halves)
    with pytest.raises(TableMismatchError, match=r"at_ns may not be null"):
        conform(SMALL, whole.drop_columns(["at_ns"]))


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.uint8(), pa.timestamp("ns"), pa.list_(pa.uint8())]
)
def test_types_that_the_table_format_changes_cannot_be_declared(kind: pa.DataType) -> None:
    """Half precision, unsigned and timestamps would come back as something else."""
    with pytest.raises(ValueError, match="cannot be stored"):
        Table("t", "", pa.schema([column("a", kind, "doc")]))


def test_an_unknown_table_names_those_there_are() -> None:
    """The error of a mistyped table lists the tables."""
    with pytest.raises(UnknownTableError, match="clips, code_versions, codes, duplicates, f"):
        table_named("clip")
