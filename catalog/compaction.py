"""Makes few large files of many small ones, so that a table of a thousand nights reads like one.

Reads and writes data files and the log of one table, under the catalog's lock, in one atomic step;
rows, their keys and every earlier snapshot stay as they are.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.datafile import read_columns, write_file
from catalog.overtaken import removed_if_overtaken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.store import Catalog
    from catalog.table import Table
    from catalog.tablelog import StoredFile

# A file below this is small; so many of them in one partition are worth a rewrite.
SMALL_BYTES, MANY = 32 << 20, 32
# What is read into memory, and so written as one file, at the most.
TARGET_BYTES = 128 << 20


def compact(catalog: Catalog, table: Table, *, many: int = MANY) -> int:
    """Rewrite the small files of each partition that has `many`; return how many went.

    Raises:
        DiskFullError: the disk is full; nothing was changed.
    """
    from catalog.tablelog import append, open_log, stored_files

    def attempt() -> int:
        log = open_log(catalog.uri, table)
        replaced, written = [], []
        for files in _batches(stored_files(log), many):
            parts = [read_columns(table, file.path, catalog.uri, None) for file in files]
            rows = pa.concat_tables(parts, promote_options="default")
            if set(rows.column_names) <= set(table.schema.names):  # else another version's columns
                written.append(write_file(table, rows, catalog.uri))
                replaced += files
        if replaced:
            with removed_if_overtaken(table, written, catalog.uri):
                append(catalog.uri, table, log, written, replaced)
        return len(replaced)

    return catalog.until_first(attempt)


def _batches(stored: list[StoredFile], many: int) -> Iterator[list[StoredFile]]:
    """Yield runs of small files of one partition, each of at most `TARGET_BYTES`."""

    def partition(file: StoredFile) -> list[tuple[str, str]]:
        return sorted(file.partition.items())

    small = [file for file in stored if file.bytes < SMALL_BYTES]
    for _, group in groupby(sorted(small, key=partition), key=partition):
        files = list(group)
        if len(files) < many:
            continue
        batch: list[StoredFile] = []
        for file in files:
            if batch and sum(one.bytes for one in batch) + file.bytes > TARGET_BYTES:
                yield batch
                batch = []
            batch.append(file)
        if len(batch) > 1:
            yield batch
