"""Which rows are new: neither stored under the same key nor named twice in one batch.

Reads the key columns of stored Parquet files; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from catalog.remote import reach
from infra.storage import store_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from catalog.table import Table


def new_rows(table: Table, keys: pa.Table, stored: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the positions of new rows, ascending; of equal keys in a batch the first counts.

    `keys` holds the key columns of the batch, `stored` the files to look in. Null equals null.
    A table without a key is a log: all its rows are new.
    """
    if not table.key:
        return np.arange(keys.num_rows, dtype=np.int64)
    names = list(table.key)
    batch = keys.select(names).append_column(
        "position", pa.array(np.arange(keys.num_rows, dtype=np.int64))
    )
    firsts = batch.group_by(names).aggregate([("position", "min")])["position_min"].to_numpy()
    known = _stored_rows(table, batch, stored) if stored and keys.num_rows else firsts[:0]
    return np.setdiff1d(firsts, known)


def _stored_rows(table: Table, batch: pa.Table, stored: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the positions of those rows of a batch whose key is stored."""
    same = " and ".join(
        f'stored."{name}" {_equality(table, name)} batch."{name}"' for name in table.key
    )
    query = f"""
        select batch.position
        from batch
        semi join read_parquet($files, union_by_name=true, hive_partitioning=false) as stored
        on {same}"""  # noqa: S608 - the names are those of our own schema
    with (
        store_errors(stored[0]),
        duckdb.connect(":memory:", config={"threads": 1}) as connection,
    ):
        reach(connection, stored[0])
        connection.register("batch", batch)
        found = connection.sql(query, params={"files": list(stored)}).to_arrow_table()
    return np.asarray(found["position"].to_numpy(), dtype=np.int64)


def _equality(table: Table, name: str) -> str:
    # The plain comparison is the faster one and enough where no null can be.
    return "is not distinct from" if table.schema.field(name).nullable else "="
