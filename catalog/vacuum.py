"""Takes rows out of a table for good: those of partitions that nobody reads any more.

Reads and writes data files and the log of one table, under the catalog's lock. The log changes in
one atomic step; then the files are removed, so earlier snapshots of that table lose those rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catalog.datafile import read_columns, remove_file, write_file
from catalog.overtaken import removed_if_overtaken

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from catalog.datafile import WrittenFile
    from catalog.store import Catalog
    from catalog.table import Table
    from catalog.tablelog import StoredFile


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """What went: rows, files that are no longer there, and their bytes less those written."""

    rows: int = 0
    files: int = 0
    bytes: int = 0


def vacuum(
    catalog: Catalog,
    table: Table,
    partitions: Sequence[dict[str, str]],
    keep: Collection[str] = (),
) -> Vacuumed:
    """Remove the rows of all partitions but these; rows whose (first) key is in `keep` stay.

    Killed after the log has changed, it leaves files that no version names; they are not read.

    Raises:
        ValueError: no partition is named: that would be everything.
        DiskFullError: the disk is full; nothing was changed.
    """
    from catalog.tablelog import append, open_log, stored_files

    if not partitions:
        raise ValueError(f"which partitions of {table.name} are to stay?")
    wanted = pa.array(sorted(keep), pa.string())

    def attempt() -> Vacuumed:
        gone: list[StoredFile] = []
        written: list[WrittenFile] = []
        rows = 0
        log = open_log(catalog.uri, table)
        for file in stored_files(log):
            if dict(file.partition) in partitions:
                continue
            keys = read_columns(table, file.path, catalog.uri, [table.key[0]])[table.key[0]]
            stay = pc.is_in(keys, wanted)
            staying = pc.sum(stay).as_py() or 0
            if staying == len(keys):
                continue
            if staying:
                whole = read_columns(table, file.path, catalog.uri, table.schema.names)
                written.append(write_file(table, whole.filter(stay), catalog.uri))
            gone.append(file)
            rows += len(keys) - staying
        if gone:
            with removed_if_overtaken(table, written, catalog.uri):
                append(catalog.uri, table, log, written, gone, lossy=True)
        for file in gone:
            remove_file(table, file.path, catalog.uri)
        freed = sum(file.bytes for file in gone) - sum(file.bytes for file in written)
        return Vacuumed(rows, len(gone), freed)

    return catalog.until_first(attempt)
