"""Brings tables of an older version forward, before a flow writes anything.

Reads and rewrites the data files and the log of tables that lack a column which may not be null;
nullable columns come by themselves at the next commit (`tablelog.append`). A table changes in one
atomic step, and its earlier versions stay readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.datafile import read_columns, write_file
from catalog.overtaken import removed_if_overtaken
from catalog.schemas.registry import TABLES
from infra.errors import CatalogOutdatedError

if TYPE_CHECKING:
    from catalog.store import Catalog
    from catalog.table import Table

# What stands for "not known" in a column that came later. Digests of what a row was made by are
# such columns: no digest equals "", so that what the row says is made again where it matters.
_UNKNOWN = {pa.string(): "", pa.binary(): b"", pa.bool_(): False}
_UNKNOWN |= {pa.int32(): 0, pa.int64(): 0, pa.float32(): 0.0, pa.float64(): 0.0}


def bring_forward(catalog: Catalog) -> list[str]:
    """Rewrite tables of an older version for this one; return their names, mostly none.

    Raises:
        CatalogOutdatedError: a column changed its type, so nothing can be brought forward.
        DiskFullError: the disk is full; nothing was changed.
    """
    return [table.name for table in TABLES.values() if _bring_forward(catalog, table)]


def _bring_forward(catalog: Catalog, table: Table) -> bool:
    from catalog.tablelog import columns_to_come, open_log, replace_all, stored_files

    log = open_log(catalog.uri, table)
    if log is None or not _required(table, columns_to_come(catalog.uri, table, log)):
        return False

    def attempt() -> bool:
        log = open_log(catalog.uri, table)
        lacking = _required(table, columns_to_come(catalog.uri, table, log))
        if log is None or not lacking:
            return False  # another run was first
        files = []
        for file in stored_files(log):
            rows = read_columns(table, file.path, catalog.uri, None)
            if unknown := set(rows.column_names) - set(table.schema.names):
                raise CatalogOutdatedError(
                    f"The table {table.name} of {catalog.uri} lacks {', '.join(lacking)} and has "
                    f"{', '.join(sorted(unknown))}: another version of Stillhouse made it.",
                    command=f"STILLHOUSE_CATALOG_URI={catalog.uri}-2 stillhouse ingest ARCHIVE",
                )
            for name in lacking:
                field = table.schema.field(name)
                value = [] if pa.types.is_list(field.type) else _UNKNOWN[field.type]
                rows = rows.append_column(field, pa.array([value] * len(rows), field.type))
            files.append(write_file(table, rows, catalog.uri))
        with removed_if_overtaken(table, files, catalog.uri):
            replace_all(catalog.uri, table, log, files)
        return True

    return catalog.until_first(attempt)


def _required(table: Table, names: list[str]) -> list[str]:
    return [name for name in names if not table.schema.field(name).nullable]
