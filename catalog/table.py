"""How a table is declared, and the cast that every write passes through.

Reads and writes nothing. A `Table` is a schema with a sentence for each column, a key, and the
layout of its files; `conform` turns rows into exactly that schema or says which column does not
fit. Times are int64 nanoseconds; no half precision, no unsigned integers, no timestamps (the
table format has no half precision, turns uint8 into int8 in silence and cuts nanoseconds to
microseconds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from infra.errors import TableMismatchError

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = "Sequence[Row] | pa.Table"
DOC = b"doc"


@dataclass(frozen=True)
class Table:
    """One table of the catalog.

    `key` columns name a row: a row whose key is stored already is not stored again; an empty key
    makes an append-only log. `partition_by` columns are in the path and in the files both.
    `volatile` columns say when and by which run a row came to be; they are left out where the
    contents of two catalogs are compared.

    Raises:
        ValueError: if a named column is not in the schema, or a type cannot be stored.
    """

    name: str
    doc: str
    schema: pa.Schema
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    row_group_rows: int = 4096
    plain_columns: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ("flow_run_id",)

    def __post_init__(self) -> None:
        named = {*self.key, *self.partition_by, *self.sort_by, *self.plain_columns}
        unknown = named - set(self.schema.names)
        if unknown:
            raise ValueError(f"{self.name}: no column {sorted(unknown)} in the schema")
        for field in self.schema:
            _require_storable(field.type, f"{self.name}.{field.name}")


@dataclass(frozen=True, slots=True)
class Column:
    """What a person wants to know of one column."""

    name: str
    type: str
    nullable: bool
    key: bool
    doc: str


def column(name: str, kind: pa.DataType, doc: str, *, null: bool = False) -> pa.Field:
    """Declare a column; without `null=True` a null in it is refused."""
    return pa.field(name, kind, nullable=null, metadata={DOC: doc.encode()})


def describe(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table in order, with their documentation."""
    return tuple(
        Column(
            field.name,
            sql_type(field.type),
            field.nullable,
            field.name in table.key,
            (field.metadata or {}).get(DOC, b"").decode(),
        )
        for field in table.schema
    )


def conform(table: Table, rows: Rows) -> pa.Table:
    """Return the rows in exactly the table's schema: columns in order, types cast.

    A nullable column that is not given becomes null; nothing else is added, nothing is dropped.

    Raises:
        TableMismatchError: an unknown column (also inside a struct), a value that does not fit
            its type without loss, or a null where none may be.
    """
    given = set(rows.column_names) if isinstance(rows, pa.Table) else {k for r in rows for k in r}
    unknown = sorted(given - set(table.schema.names))
    if unknown:
        raise TableMismatchError(f"The table {table.name} has no column {', '.join(unknown)}.")
    columns = []
    for field in table.schema:
        place = f"{table.name}.{field.name}"
        try:
            if not isinstance(rows, pa.Table):
                values = [row.get(field.name) for row in rows]
                _refuse_silent_changes(field.type, values, place)
                values = pa.array(values, field.type)
            elif field.name in given:
                values = rows.column(field.name).cast(field.type)
            else:
                values = pa.nulls(rows.num_rows, field.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise TableMismatchError(
                f"{place} is {sql_type(field.type)}, and what was given does not fit: {error}."
            ) from error
        _refuse_nulls(field, values, place)
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=table.schema)


def _refuse_nulls(field: pa.Field, values: Any, place: str) -> None:  # noqa: ANN401 - Arrow's
    """Look for nulls where the schema has none, inside lists and structs too.

    Arrow itself lets a null pass into a field that is declared non-nullable.
    """
    if not field.nullable and values.null_count:
        raise TableMismatchError(f"{place} may not be null; {values.null_count} rows are.")
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    for chunk in chunks:
        if pa.types.is_list(field.type):
            _refuse_nulls(field.type.value_field, chunk.flatten(), f"{place}[]")
        elif pa.types.is_struct(field.type):
            present = chunk.drop_null() if chunk.null_count else chunk
            for index, child in enumerate(field.type):
                _refuse_nulls(child, present.field(index), f"{place}.{child.name}")


def _refuse_silent_changes(kind: pa.DataType, values: Sequence[Any], place: str) -> None:
    """Look for what Arrow takes without a word: floats cut to integers, unknown names in structs.

    Raises:
        TypeError: a float for an integer.
    """
    if pa.types.is_list(kind):
        flat = [item for value in values if value is not None for item in value]
        _refuse_silent_changes(kind.value_type, flat, f"{place}[]")
    elif pa.types.is_struct(kind):
        names = {child.name for child in kind}
        given = [value for value in values if value is not None]
        unknown = sorted({name for value in given for name in value} - names)
        if unknown:
            raise TableMismatchError(f"{place} has no {', '.join(unknown)}.")
        for child in kind:
            inside = [value.get(child.name) for value in given]
            _refuse_silent_changes(child.type, inside, f"{place}.{child.name}")
    elif pa.types.is_integer(kind):
        cut = next((value for value in values if isinstance(value, float | np.floating)), None)
        if cut is not None:
            raise TypeError(f"{place} got {cut!r}")


def _require_storable(kind: pa.DataType, place: str) -> None:
    if pa.types.is_list(kind):
        _require_storable(kind.value_type, f"{place}[]")
    elif pa.types.is_struct(kind):
        for child in kind:
            _require_storable(child.type, f"{place}.{child.name}")
    elif kind not in STORABLE:
        raise ValueError(f"{place}: {kind} cannot be stored; one of {sorted(map(str, STORABLE))}")


def sql_type(kind: pa.DataType) -> str:
    """Write a type as SQL does: what `describe` shows and what an empty view is made of."""
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        inside = ", ".join(f"{child.name} {sql_type(child.type)}" for child in kind)
        return f"struct({inside})"
    return STORABLE[kind]


# What the table format, Parquet and SQL all hold without a change, by its name in SQL.
STORABLE = {
    pa.string(): "varchar",
    pa.bool_(): "boolean",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.binary(): "blob",
}
