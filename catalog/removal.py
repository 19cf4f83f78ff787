"""Takes whole partitions out of a table, and their files off the disk.

Writes the log and removes data files of one table, under the catalog's lock. Earlier snapshots
that name those files can no longer read that table: call it for what nobody is to read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.datafile import read_columns, remove_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from catalog.store import Catalog
    from catalog.table import Table


def remove_partitions(
    catalog: Catalog, table: Table, unwanted: Callable[[Mapping[str, str]], bool]
) -> int:
    """Remove every partition of which `unwanted` says so; return how many rows went.

    Raises:
        ValueError: the table has no partitions.
        DiskFullError: the disk is full; nothing was changed.
    """
    from catalog.tablelog import append, open_log, stored_files

    if not table.partition_by:
        raise ValueError(f"{table.name} has no partitions")
    with catalog.locked():
        log = open_log(catalog.uri, table)
        files = [file for file in stored_files(log) if unwanted(file.partition)]
        column = [table.key[0]]
        parts = [read_columns(table, file.path, catalog.uri, column) for file in files]
        if files:
            # From the log first: killed in between, files are left that nobody names.
            append(catalog.uri, table, log, [], files)
            for file in files:
                remove_file(table, file.path, catalog.uri)
        return sum(part.num_rows for part in parts)
