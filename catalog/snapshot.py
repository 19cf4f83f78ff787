"""A snapshot: an immutable version of the catalog, named by one version number a table.

Reads the tables' logs; writes nothing. A run reads one snapshot from beginning to end; what
others commit meanwhile is in the next. Small enough to travel and to stand in a row as JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catalog.datafile import table_uri
from catalog.ids import digest
from catalog.schemas.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catalog.table import Table


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of every table that exists; a table that does not is empty."""

    catalog_uri: str
    versions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def take(cls, catalog_uri: str) -> Snapshot:
        """Return the latest snapshot.

        Takes no lock, so a read-only folder can be read. Tables are looked at in the opposite
        order of their commits (`schemas/registry.py`): no row is in without what it refers to.
        """
        from catalog.tablelog import open_log

        versions = {}
        for table in reversed(TABLES.values()):
            log = open_log(catalog_uri, table)
            if log is not None:
                versions[table.name] = log.version()
        return cls(catalog_uri, dict(sorted(versions.items())))

    def files(self, table: Table) -> tuple[str, ...]:
        """Return the Parquet files that make up a table, in order of name."""
        from catalog.tablelog import log_paths, open_log

        if table.name not in self.versions:
            return ()
        root = table_uri(self.catalog_uri, table)
        log = open_log(self.catalog_uri, table, self.versions[table.name])
        return tuple(sorted(f"{root}/{path}" for path in log_paths(log)))

    @property
    def digest(self) -> str:
        """The snapshot's name: equal for equal versions of one catalog."""
        return digest("snapshot", self.catalog_uri, dict(self.versions))

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        facts = {"catalog_uri": self.catalog_uri, "versions": dict(self.versions)}
        return json.dumps(facts, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Return the snapshot that `to_json` wrote."""
        facts = json.loads(text)
        return cls(facts["catalog_uri"], facts["versions"])
