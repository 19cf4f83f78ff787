"""A table's log: which data files make up which version. The only file that imports delta-rs.

Reads and writes `<catalog>/<table>/_delta_log`. Appending is atomic; the schema grows by nullable
columns that were declared since. Imported where it is used: 70 ms, and it does not survive `fork`.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, RemoveAction, Transaction

from catalog.datafile import table_uri
from catalog.overtaken import OvertakenError
from infra.errors import CatalogOutdatedError
from infra.storage import disk_errors, store_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catalog.datafile import WrittenFile
    from catalog.table import Table

# Only other machines can get in between our lock and the log; delta-rs then tries again by itself,
# but for a commit that rests on which keys there were, or on which files: of two transactions with
# one name that were begun at the same version, it refuses the later.
COMMIT_RETRIES = 50
NEW_KEYS, OTHER_FILES = "stillhouse-new-keys", "stillhouse-other-files"
# Models and generations name the snapshot they read, so versions never expire from the log.
CONFIGURATION = {"delta.enableExpiredLogCleanup": "false"}
# Another changed keys or files that ours rests on, or the columns, since the log was read.
_OVERTAKEN = re.compile(r"Concurrent transaction|(Metadata|Protocol) changed")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


def open_log(catalog_uri: str, table: Table, version: int | None = None) -> DeltaTable | None:
    """Return a table's log at a version, the latest by default; None where there is no table."""
    with store_errors(catalog_uri):
        try:
            return DeltaTable(table_uri(catalog_uri, table), version=version)
        except TableNotFoundError:
            return None


def log_paths(log: DeltaTable | None, partitions: Sequence[dict[str, str]] = ()) -> list[str]:
    """Return the paths of the data files, relative to the table; those of some partitions only.

    No partitions named means all.
    """
    if log is None:
        return []
    actions = pa.table(log.get_add_actions(flatten=True)).to_pylist()
    return [
        action["path"]
        for action in actions
        if not partitions
        or any(
            all(action[f"partition.{name}"] == value for name, value in partition.items())
            for partition in partitions
        )
    ]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A data file of a table's present version; `path` is relative to the table."""

    path: str
    bytes: int
    partition: Mapping[str, str]
    rows: int


def stored_files(log: DeltaTable | None) -> list[StoredFile]:
    """Return the data files of a table with their sizes and partitions, in order of path."""
    if log is None:
        return []
    found = []
    for action in pa.table(log.get_add_actions(flatten=True)).to_pylist():
        partition = {
            name.removeprefix("partition."): value
            for name, value in action.items()
            if name.startswith("partition.")
        }
        found.append(
            StoredFile(action["path"], action["size_bytes"], partition, action["num_records"])
        )
    return sorted(found, key=lambda file: file.path)


def append(
    catalog_uri: str,
    table: Table,
    log: DeltaTable | None,
    files: Sequence[WrittenFile],
    replaced: Sequence[StoredFile] = (),
    *,
    lossy: bool = False,
) -> int:
    """Add files to a table in one atomic step and return the version that has them.

    `replaced` are taken out in the same step: their rows are in the files that are added, unless
    the step is `lossy`. They stay on the disk for the snapshots that name them.

    Raises:
        OvertakenError: what was looked at is no longer all there is; nothing was added.
        CatalogOutdatedError: the stored table does not fit the declaration.
        DiskFullError: the disk is full; nothing was added.
    """
    now_ms = time.time_ns() // 1_000_000
    actions: list[AddAction | RemoveAction] = [
        _added(file, now_ms, data_change=lossy or not replaced) for file in files
    ]
    actions += [
        RemoveAction(
            path=file.path,
            data_change=lossy,
            deletion_timestamp=now_ms,
            size=file.bytes,
            partition_values=dict(file.partition),
        )
        for file in replaced
    ]
    with _storage_errors(catalog_uri):
        # Of rows that only move to other files no key is new; a table without a key takes any row.
        rests = bool(table.key) and not replaced
        names = [NEW_KEYS] if rests else []
        if replaced:
            # What is lost may be what a commit of now takes for known.
            names = [OTHER_FILES, NEW_KEYS] if lossy else [OTHER_FILES]
        # Where there was no log, ours begins it; columns that came are one step of it.
        seen = -1 if log is None else log.version()
        try:
            log = _create(catalog_uri, table) if log is None else log
            _evolve(catalog_uri, table, log)
        except CommitFailedError as error:
            # Another machine began the table, or brought its columns, in the same moment.
            raise OvertakenError from error
        if rests and log.version() > seen + 1:
            raise OvertakenError
        return _write(log, actions, "append", log.schema(), table, names)


def _write(
    log: DeltaTable,
    actions: list[AddAction | RemoveAction],
    mode: Literal["append", "overwrite"],
    schema: Schema,
    table: Table,
    names: Sequence[str],
) -> int:
    """Commit one step that rests on what the log says now, by transactions of these names."""
    asked = [Transaction(name, log.version() + 1) for name in names]
    try:
        log.create_write_transaction(
            actions,
            mode=mode,
            schema=schema,
            partition_by=list(table.partition_by),
            commit_properties=CommitProperties(
                max_commit_retries=COMMIT_RETRIES, app_transactions=asked
            ),
        )
    except CommitFailedError as error:
        if not _OVERTAKEN.search(str(error)):
            raise
        raise OvertakenError from error
    log.update_incremental()
    return log.version()


def _added(file: WrittenFile, now_ms: int, *, data_change: bool) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.bytes,
        partition_values=dict(file.partition),
        modification_time=now_ms,
        data_change=data_change,
        stats=file.stats,
    )


def _create(catalog_uri: str, table: Table) -> DeltaTable:
    return DeltaTable.create(
        table_uri(catalog_uri, table),
        Schema.from_arrow(table.schema),
        mode="ignore",
        partition_by=list(table.partition_by),
        name=table.name,
        description=table.doc,
        configuration=CONFIGURATION,
    )


def replace_all(
    catalog_uri: str, table: Table, log: DeltaTable, files: Sequence[WrittenFile]
) -> int:
    """Have a table consist of these files and have the declared columns, in one atomic step.

    Raises:
        OvertakenError: `log` is no longer all there is; nothing was changed.
        DiskFullError: the disk is full; nothing was changed.
    """
    now_ms = time.time_ns() // 1_000_000
    actions: list[AddAction | RemoveAction] = [
        _added(file, now_ms, data_change=True) for file in files
    ]
    schema = Schema.from_arrow(table.schema)
    with _storage_errors(catalog_uri):
        return _write(log, actions, "overwrite", schema, table, [NEW_KEYS, OTHER_FILES])


def columns_to_come(catalog_uri: str, table: Table, log: DeltaTable | None) -> list[str]:
    """Return the columns that were declared since the table was made.

    Raises:
        CatalogOutdatedError: a column has another type than it was stored with.
    """
    if log is None:
        return []
    have = {field.name: str(field.type) for field in log.schema().fields}
    want = {field.name: str(field.type) for field in Schema.from_arrow(table.schema).fields}
    for name, kind in want.items():
        if have.get(name, kind) != kind:
            raise CatalogOutdatedError(
                f"{table.name}.{name} is stored as {have[name]}, and this version of Stillhouse "
                f"writes {kind}: another version made the catalog {catalog_uri}.",
                command=f"STILLHOUSE_CATALOG_URI={catalog_uri}-2 stillhouse ingest ARCHIVE",
            )
    return [name for name in want if name not in have]


def _evolve(catalog_uri: str, table: Table, log: DeltaTable) -> None:
    """Add the columns that were declared since the table was made.

    Columns that this version does not declare stay; its rows have null in them.
    """
    names = columns_to_come(catalog_uri, table, log)
    missing = [field for field in Schema.from_arrow(table.schema).fields if field.name in names]
    if required := [field.name for field in missing if not field.nullable]:
        raise CatalogOutdatedError(
            f"The stored table {table.name} lacks {', '.join(required)}, which may not be null: "
            "it was made by an older version, and every flow brings it forward first.",
            command="stillhouse extract",
        )
    if missing:
        log.alter.add_columns(missing)


@contextmanager
def _storage_errors(catalog_uri: str) -> Iterator[None]:
    """Give delta-rs's errors the number that the operating system gave them."""
    with store_errors(catalog_uri), disk_errors(catalog_uri):
        try:
            yield
        except (OSError, DeltaError) as error:
            number = _OS_ERROR.search(str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), str(error)) from error
