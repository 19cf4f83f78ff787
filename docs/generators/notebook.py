"""The notebook as a page: its cells of prose as prose, its cells of code as code.

Reads `docs/notebook.py`, which runs by itself and in Jupyter, VS Code and Spyder (cells of `# %%`).
"""

from __future__ import annotations

import re
from pathlib import Path

from generators.markdown import Pages, code

SOURCE = Path(__file__).parents[1] / "notebook.py"
_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


def pages() -> Pages:
    """Return the one page."""
    return {"notebook.md": page(SOURCE.read_text("utf-8"))}


def page(text: str) -> str:
    """Return cells as Markdown; what stands before the first is the script's own."""
    pieces = _CELL.split(text)[1:]
    parts = []
    for kind, cell in zip(pieces[::2], pieces[1::2], strict=True):
        if kind.strip() == "[markdown]":
            parts.append(re.sub(r"^# ?", "", cell.strip(), flags=re.MULTILINE) + "\n")
        elif cell.strip():
            parts.append(code(cell.strip(), "python"))
    return "\n".join(parts)
