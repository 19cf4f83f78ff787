"""Answers for people: SQL over the catalog, tables in columns made for reading, assets, models.

Reads the catalog, the registry and the asset cache; writes nothing (but fetched assets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.query import named
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from catalog.table import describe
from catalog.usersql import select_user
from infra import assets, registry
from infra.errors import UnknownTableError
from infra.observability import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from infra.registry import ModelVersion
    from infra.settings import Settings

MODELS = "models"


def ask(settings: Settings, query: str, limit: int) -> dict[str, Any]:
    """Run a user's statement and return `columns`, `rows`, `truncated`.

    Raises:
        SelectionInvalidError: it is not one read-only statement, or does not run.
    """
    found = select_user(Catalog(settings.catalog).snapshot(), query, limit + 1)
    answer = _answer(found.slice(0, limit))
    answer["truncated"] = found.num_rows > limit
    return answer


def overview(settings: Settings) -> dict[str, Any]:
    """Return every table with its number of rows and what it is."""
    counts = {
        row["name"]: row["rows"]
        for row in named(Catalog(settings.catalog).snapshot(), "counts", {}).to_pylist()
    }
    rows = [(name, counts.get(name, 0), table.doc) for name, table in TABLES.items()]
    rows.append((MODELS, _model_count(settings), "Model versions, their gates, the champion."))
    return {"columns": ["name", "rows", "what"], "rows": rows, "numbers": ["rows"]}


def shown(settings: Settings, what: str, limit: int) -> dict[str, Any]:
    """Return one table in the columns people read, newest first.

    Raises:
        UnknownTableError: there is none of that name.
    """
    if what == MODELS:
        return _models(settings)
    _require(what)
    found = named(Catalog(settings.catalog).snapshot(), f"show_{what}", {"limit": limit})
    return _answer(found)


def table_schema(what: str) -> dict[str, Any]:
    """Return a table's columns with their types and documentation.

    Raises:
        UnknownTableError: there is none of that name.
    """
    _require(what)
    rows = [
        (c.name, c.type, "key" if c.key else "", "null" if c.nullable else "", c.doc)
        for c in describe(TABLES[what])
    ]
    return {"columns": ["column", "type", "key", "null", "what"], "rows": rows}


def asset_table(settings: Settings) -> dict[str, Any]:
    """Return every pinned asset: where it comes from, its licence, whether it is here."""
    rows = [
        (found.name, found.state, f"{found.package}=={found.version}", found.bytes, found.licence)
        for found in assets.listing(settings.assets)
    ]
    columns = ["asset", "state", "package", "bytes", "licence"]
    return {"columns": columns, "rows": rows, "numbers": ["bytes"]}


def fetch_assets(settings: Settings, names: Sequence[str], *, force: bool) -> dict[str, Any]:
    """Fetch the named assets (none named: all) and say what was done with each.

    Raises:
        AssetCorruptError: what came is not what is pinned.
    """
    wanted = list(names) or [found.name for found in assets.listing(settings.assets)]
    rows = []
    with progress("fetch assets", len(wanted), "assets") as bar:
        for name in wanted:
            rows += [
                (f.name, f.status, f.bytes, str(f.folder))
                for f in assets.fetch([name], settings.assets, force=force)
            ]
            bar.advance(1)
    return {"columns": ["asset", "status", "bytes", "folder"], "rows": rows}


def _models(settings: Settings) -> dict[str, Any]:
    columns = ["model", "version", "alias", "preset", "gates", "created"]
    rows = [
        (v.name, v.version, ",".join(v.aliases), v.tags.get("preset"), _gates(v), v.created)
        for name in registry.names(settings)
        for v in sorted(registry.versions(settings, name), key=lambda v: -v.version)
    ]
    return {"columns": columns, "rows": rows, "numbers": ["version"]}


def _gates(version: ModelVersion) -> str:
    """Say how a version stood the gates: which failed, or which were not measured, or neither."""
    gates = registry.recorded_gates(version)
    failed = [
        gate["name"] + ("" if gate["value"] is None else f" {gate['value']:+.3f}")
        for gate in gates
        if not gate["passed"]
    ]
    if not gates:
        return "not judged"
    if failed:
        return f"failed: {', '.join(failed)}"
    unknown = [gate["name"] for gate in gates if gate["value"] is None]
    passed = f"{len(gates) - len(unknown)} of {len(gates)} passed"
    return f"{passed}, not measured: {', '.join(unknown)}" if unknown else passed


def _model_count(settings: Settings) -> int:
    return sum(len(registry.versions(settings, name)) for name in registry.names(settings))


def _require(what: str) -> None:
    if what not in TABLES:
        raise UnknownTableError(
            f"There is nothing called {what!r} to show; there is {', '.join([*TABLES, MODELS])}.",
            command="stillhouse show",
        )


def _answer(found: pa.Table) -> dict[str, Any]:
    import pyarrow.types as kinds

    numbers = [
        f.name for f in found.schema if kinds.is_integer(f.type) or kinds.is_floating(f.type)
    ]
    rows = [[_plain(value) for value in row.values()] for row in found.to_pylist()]
    return {"columns": found.column_names, "rows": rows, "numbers": numbers}


def _plain(value: Any) -> Any:  # noqa: ANN401  any SQL value
    """Return a value that JSON can hold: bytes by their length, nested values inside too."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, float) and value != value:  # noqa: PLR0124  NaN is not JSON
        return None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
