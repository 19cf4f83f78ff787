"""How many bytes the tables take, as their logs say. Reads the logs alone; writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.schemas.registry import TABLES

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot


def stored_bytes(snapshot: Snapshot) -> dict[str, int]:
    """Return the bytes of the Parquet files of each table that has any."""
    from catalog.tablelog import open_log

    found = {}
    for name, version in snapshot.versions.items():
        log = open_log(snapshot.catalog_uri, TABLES[name], version)
        if log is not None:
            actions = pa.table(log.get_add_actions(flatten=True))
            found[name] = sum(actions["size_bytes"].to_pylist())
    return found
