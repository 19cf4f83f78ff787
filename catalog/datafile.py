"""One Parquet file of a table: what a worker writes and the driver later commits.

Writes `<catalog>/<table>/[<column>=<value>/...]<random name>.parquet`. Until its path is committed
(`store.Catalog.commit_files`) the file is in no snapshot, so a worker may be killed at any moment.
Imports neither the table format nor the SQL engine: workers start quickly and may be forked.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem, LocalFileSystem

from catalog.table import conform
from infra.errors import TableMismatchError
from infra.storage import disk_errors, store_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.table import Rows, Table

# zstd beyond level 1 gains nothing on our columns.
COMPRESSION, COMPRESSION_LEVEL = "zstd", 1
# Partition values stand in paths; these characters mean the same in a path and in a URI.
_PATH_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file that has been written and not committed.

    `path` is relative to the table's folder; `partition` maps the partition columns to the one
    value that all rows have; `stats` is the table format's JSON.
    """

    path: str
    rows: int
    bytes: int
    partition: Mapping[str, str] = field(default_factory=dict)
    stats: str = "{}"


def table_uri(catalog_uri: str, table: Table) -> str:
    """Return where a table is: a folder of the catalog."""
    return f"{catalog_uri.rstrip('/')}/{table.name}"


def filesystem(catalog_uri: str) -> tuple[Any, str]:
    """Return Arrow's file system for a path or URI, and the path inside of it."""
    if "://" in catalog_uri:
        system, path = FileSystem.from_uri(catalog_uri)
        return system, path
    return LocalFileSystem(), catalog_uri


def write_file(table: Table, rows: Rows, catalog_uri: str) -> WrittenFile:
    """Write rows of one partition as one sorted file and return what the commit needs to know.

    Raises:
        TableMismatchError: the rows do not fit, are none, or are of several partitions.
        DiskFullError: the disk is full; what was written of the file is removed.
        StoreUnavailableError: the catalog's store fails; no snapshot names what is there of it.
    """
    data = conform(table, rows)
    partition = _partition_of(table, data)
    if table.sort_by:
        data = data.sort_by([(name, "ascending") for name in table.sort_by])
    folder = "".join(f"{name}={value}/" for name, value in partition.items())
    path = f"{folder}{uuid4().hex}.parquet"
    with store_errors(catalog_uri), disk_errors(catalog_uri):
        system, root = filesystem(table_uri(catalog_uri, table))
        whole = f"{root}/{path}"
        system.create_dir(f"{root}/{folder}", recursive=True)
        try:
            pq.write_table(
                data,
                whole,
                filesystem=system,
                compression=COMPRESSION,
                compression_level=COMPRESSION_LEVEL,
                row_group_size=table.row_group_rows,
                # A dictionary of arrays that are all different doubles the work of writing.
                use_dictionary=_dictionary_columns(table),
                write_statistics=[n for n in table.schema.names if n not in table.plain_columns],
            )
        except OSError:
            with suppress(OSError):  # of a store that is away there is nothing to remove
                system.delete_file(whole)
            raise
        size = system.get_file_info(whole).size
    stats = json.dumps({"numRecords": data.num_rows})
    return WrittenFile(path, data.num_rows, size, partition, stats)


def read_columns(table: Table, path: str, catalog_uri: str, columns: list[str] | None) -> pa.Table:
    """Return some columns of a written file (None: all), rows in the order of the file."""
    with store_errors(catalog_uri):
        system, root = filesystem(table_uri(catalog_uri, table))
        return pq.ParquetFile(f"{root}/{path}", filesystem=system).read(columns=columns)


def remove_file(table: Table, path: str, catalog_uri: str) -> None:
    """Remove a written file; one that is not there is fine."""
    with store_errors(catalog_uri), suppress(FileNotFoundError):
        system, root = filesystem(table_uri(catalog_uri, table))
        system.delete_file(f"{root}/{path}")


def split_partitions(table: Table, data: pa.Table) -> list[pa.Table]:
    """Return the rows of each partition apart; one part for a table that has no partitions."""
    if not table.partition_by:
        return [data] if data.num_rows else []
    values = data.select(table.partition_by).group_by(list(table.partition_by)).aggregate([])
    parts = []
    for row in values.to_pylist():
        chosen = pa.scalar(value=True)
        for name, value in row.items():
            chosen = pc.and_(chosen, pc.equal(data[name], value))
        parts.append(data.filter(chosen))
    return parts


def _partition_of(table: Table, data: pa.Table) -> dict[str, str]:
    if not data.num_rows:
        raise TableMismatchError(f"A file of {table.name} without rows is not written.")
    partition = {}
    for name in table.partition_by:
        values = pc.unique(data[name]).to_pylist()
        if len(values) > 1:
            raise TableMismatchError(f"One file of {table.name} holds one {name}, not {values}.")
        if not _PATH_SAFE.fullmatch(values[0]):
            raise TableMismatchError(
                f"{table.name}.{name} stands in paths: letters, digits and _.- only, "
                f"not {values[0]!r}."
            )
        partition[name] = values[0]
    return partition


def _dictionary_columns(table: Table) -> list[str]:
    return [
        field.name
        for field in table.schema
        if field.type == pa.string() and field.name not in (*table.plain_columns, *table.key[:1])
    ]
