"""Small pieces of Markdown: tables, code, links to decisions. Reads and writes nothing."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A page by its path below the site's root.
Pages = dict[str, str]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[object]) -> str:
    shown = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(shown)} |"


def code(text: str, language: str = "") -> str:
    """Return a block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def literal(text: object) -> str:
    """Return something as code within a sentence; nothing stays nothing."""
    return f"`{text}`" if str(text) else ""


def plain(text: str) -> str:
    """Return text in which nothing is taken for markup: angle brackets, stars, underscores."""
    return re.sub(r"([<>*_\[\]])", r"\\\1", text)


def doc_of(thing: object) -> str:
    """Return a docstring's prose: its first part, before Raises, Args and the like.

    Raises:
        ValueError: it has none.
    """
    found = inspect.getdoc(thing)
    if not found:
        raise ValueError(f"{thing} has no docstring to make a page of")
    return re.split(r"\n(?:Raises|Args|Returns|Yields):\n", found)[0].strip()
