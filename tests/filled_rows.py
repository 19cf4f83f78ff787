"""Rows of the catalog's tables for tests that care about some of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.table import describe

if TYPE_CHECKING:
    from catalog.table import Table


def filled(table: Table) -> dict[str, Any]:
    """Return a row of which only what may not be null is there."""
    fillers: dict[str, Any] = {
        "varchar": "x",
        "bigint": 1,
        "integer": 1,
        "boolean": False,
        "double": 1.0,
    }
    return {
        col.name: [] if col.type.endswith("[]") else fillers.get(col.type, b"")
        for col in describe(table)
        if not col.nullable
    }
