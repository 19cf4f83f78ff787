"""The decisions of `infra/decisions/` as pages: not copied in the repository, put in when built.

Reads those files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from generators.markdown import Pages, code, table

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).parents[2] / "infra" / "decisions"
FOLDER = "decisions"
_TITLE = re.compile(r"# (\d{4})\.? (.+)")


def pages() -> Pages:
    """Return every decision, and a page that lists them."""
    files = sorted(SOURCE.glob("[0-9]*.md"))
    found = {f"{FOLDER}/{file.name}": file.read_text("utf-8") for file in files}
    rows = []
    for file in files:
        title = _TITLE.match(found[f"{FOLDER}/{file.name}"])
        if title is None:
            raise ValueError(f"{file} does not begin with # NNNN. Title")
        date = re.search(r"^\d{4}-\d\d-\d\d$", found[f"{FOLDER}/{file.name}"], re.MULTILINE)
        rows.append((f"[{title[1]}](/{FOLDER}/{file.name})", title[2], date[0] if date else ""))
    found[f"{FOLDER}/index.md"] = "\n".join(
        [
            "# Decisions\n",
            (
                "Why things are as they are: context, choice, what was measured, price, and what "
                "did not work. One page each, written when the decision was taken; a later page "
                "may change what an earlier one chose.\n"
            ),
            table(("", "decision", "date"), rows),
            code("\n".join([":hidden:", "", *(file.stem for file in files)]), "{toctree}"),
        ]
    )
    return found


def decisions(numbers: Sequence[int]) -> str:
    """Return links to decisions.

    Raises:
        ValueError: there is no decision of that number.
    """
    return ", ".join(f"[{number:04d}](/{_path(number)})" for number in numbers)


def _path(number: int) -> str:
    file = next(SOURCE.glob(f"{number:04d}-*.md"), None)
    if file is None:
        raise ValueError(f"there is no decision {number}")
    return f"{FOLDER}/{file.name}"
