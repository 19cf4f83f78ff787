"""A page a table of the catalog, of its declaration; and the views that stand beside them.

Reads `catalog/schemas/`, `catalog/sql/` and, for the columns of views, an empty catalog.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.query import VIEWS, connect, query_text
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from catalog.table import describe
from generators.decisions import decisions
from generators.markdown import Pages, code, literal, plain, table

if TYPE_CHECKING:
    from catalog.table import Column, Table

FOLDER = "reference/tables"
# A column's unit is in its name; longer endings before those they end in.
UNITS = (
    ("_ppb", "1e-9"),
    ("_ns", "ns"),
    ("_ms", "ms"),
    ("_s", "s"),
    ("seconds", "s"),
    ("_bytes", "bytes"),
    ("byte_offset", "bytes"),
    ("byte_size", "bytes"),
    ("bytes_in", "bytes"),
    ("bytes_out", "bytes"),
    ("width", "pixels"),
    ("height", "pixels"),
    ("rotation", "degrees"),
)


def unit_of(column: str) -> str:
    """Return the unit that a column's name says, or nothing."""
    return next((unit for ending, unit in UNITS if column.endswith(ending)), "")


def pages() -> Pages:
    """Return a page of each table, one of all views, and one that lists them."""
    found = {f"{FOLDER}/{name}.md": page(one) for name, one in TABLES.items()}
    found[f"{FOLDER}/sql-views.md"] = _views()
    rows = [(f"[{name}](/{FOLDER}/{name}.md)", one.doc) for name, one in TABLES.items()]
    names = [*TABLES, "sql-views"]
    found[f"{FOLDER}/index.md"] = "\n".join(
        [
            "# Tables\n",
            (
                "The catalog is plain Parquet under `HOME/catalog`, one folder a table, with a log "
                f"that says which files count ({decisions((2,))}). Ask it with "
                "[`stillhouse sql`](/reference/commands/sql.md), or open the files with anything "
                "([notebook](/notebook.md)). Times are whole nanoseconds and end in `_ns`; spans "
                "are half-open. `stillhouse show TABLE --schema` prints the same as these pages.\n"
            ),
            table(("table", "what a row is"), rows),
            (
                f"Tables keep what was; what counts *now* is in [views](/{FOLDER}/sql-views.md) "
                "such as `current_clips`.\n"
            ),
            code("\n".join([":hidden:", "", *names]), "{toctree}"),
        ]
    )
    return found


def page(one: Table) -> str:
    """Return the page of a table."""
    rows = [
        (literal(column.name), plain(column.doc), _kind(column), unit_of(column.name))
        for column in describe(one)
    ]
    kept = "Rows are added and never replaced: it is a log."
    if one.key:
        kept = f"A row is named by {_names(one.key)}; one whose key is there is not stored again."
    parts = [f"# {one.name}\n", one.doc, "", kept, ""]
    if one.partition_by:
        parts += [f"Files lie in folders by {_names(one.partition_by)}.", ""]
    if one.sort_by:
        parts += [f"Within a file rows are sorted by {_names(one.sort_by)}.", ""]
    parts += [table(("column", "meaning", "type", "unit"), rows)]
    return "\n".join(parts)


def _kind(column: Column) -> str:
    said = [literal(column.type)]
    said += ["key"] if column.key else []
    said += ["may be null"] if column.nullable else []
    return ", ".join(said)


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(literal(name) for name in columns)


def _views() -> str:
    parts = [
        "# Views in SQL\n",
        (
            "They stand beside the tables in every question: `stillhouse sql`, the page, "
            "`--select`. The text of each is a file of `catalog/sql/`.\n"
        ),
    ]
    with tempfile.TemporaryDirectory() as empty:
        snapshot = Catalog(Path(empty)).snapshot()
        with connect(snapshot) as connection:
            for name in VIEWS:
                columns = connection.execute(f'describe "{name}"').fetchall()
                text = query_text(name)
                asked = " ".join(re.findall(r"^-- ?(.*)", text, re.MULTILINE))
                parts += [f"## {name}\n", plain(asked), ""]
                rows = [(literal(c[0]), literal(c[1].lower()), unit_of(c[0])) for c in columns]
                parts.append(table(("column", "type", "unit"), rows))
    return "\n".join(parts)
