"""The contents of a catalog as one digest: equal for two catalogs that know the same things.

Reads a snapshot; writes nothing. An interrupted and resumed run, a renamed archive, or another
order of commits gives the same digest; when, where and by which run a row came to be is left out
(`Table.volatile`), and so are the logs, which say nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.ids import digest
from catalog.query import ask, connect
from catalog.schemas.registry import TABLES

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot
    from catalog.table import Table


def content_digest(snapshot: Snapshot) -> str:
    """Return the digest of all tables that have a key."""
    return digest("contents", content_digests(snapshot))


def content_digests(snapshot: Snapshot) -> dict[str, str]:
    """Return the digest of each table that has a key: where two catalogs differ."""
    with connect(snapshot) as connection:
        return {
            table.name: str(ask(connection, _digest_sql(table))["digest"][0])
            for table in TABLES.values()
            if table.key
        }


def _digest_sql(table: Table) -> str:
    """Return SQL that hashes each row's text, then the sorted hashes: the order is immaterial."""
    lasting = [name for name in table.schema.names if name not in table.volatile]
    row = ", ".join(f'"{name}" := "{name}"' for name in lasting)
    return f"""
        select coalesce(sha256(string_agg(row_digest, '' order by row_digest)), '') as digest
        from (select sha256(struct_pack({row})::varchar) as row_digest from "{table.name}")
    """  # noqa: S608 - the names are those of our own schema
