"""Puts the pages of the site together: those that are written, and those made of the code.

Reads `docs/`, `README.md`'s neighbours and what the generators read; writes one folder of pages.
In a written page a line `<!-- made: NAME -->` stands for what `MADE` or a drawing gives. A link to
another file of the repository becomes one to that file's page, so that links hold on a page of
the repository and in the site alike; where it has none (code), its words stay and the link goes.
"""

from __future__ import annotations

import itertools
import posixpath
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from generators import capacity, commands, decisions, machine, making, notebook, tables, views
from generators.markdown import code
from generators.pictures import DRAWINGS

if TYPE_CHECKING:
    from generators.markdown import Pages

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
# Written pages are these; code, pictures and the site's own files beside them are no pages.
PAGES, PICTURES = "**/*.md", ("*.jpg", "*.png", "*.svg")
# Files of the repository that have a page of another name.
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "docs/notebook.py": "notebook.md",
}
MADE = {
    "deployments": machine.deployments,
    "core-hours": capacity.core_hours,
    "file docs/example_student.py": lambda: code(
        (DOCS / "example_student.py").read_text("utf-8"), "python"
    ),
    **{f"picture {name}": lambda draw=draw: draw().svg() for name, draw in DRAWINGS.items()},
}
_MADE = re.compile(r"^<!-- made: (.+) -->$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")
_FENCE = re.compile(r"^(```+|~~~+).*?^\1$", re.MULTILINE | re.DOTALL)


class PageError(Exception):
    """A page asks for what is not there; the message says which and what."""


def assemble(target: Path) -> None:
    """Write every page and picture below `target`, emptied before.

    Raises:
        PageError: a page asks for what is not there, or links to it.
    """
    shutil.rmtree(target, ignore_errors=True)
    found = written()
    for made in (commands, tables, views, making, machine, decisions, notebook):
        found |= made.pages()
    for path, text in found.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    for pattern in PICTURES:
        for picture in DOCS.rglob(pattern):
            copy = target / picture.relative_to(DOCS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, copy)


def written() -> Pages:
    """Return the pages that people wrote, as the site has them."""
    found = {}
    for file in sorted(DOCS.glob(PAGES)):
        found[file.relative_to(DOCS).as_posix()] = file.read_text("utf-8")
    found["changelog.md"] = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return {path: fitted(path, text) for path, text in found.items()}


def fitted(path: str, text: str) -> str:
    """Return a written page with what is made put in, and its links as the site has them."""
    text = _MADE.sub(lambda match: _made(path, match[1]), text)
    # Nothing within code is a link.
    ends = [0, *(end for fence in _FENCE.finditer(text) for end in fence.span()), len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(ends)]
    for number in range(0, len(parts), 2):
        parts[number] = _LINK.sub(lambda match: _linked(path, match), parts[number])
    return "".join(parts)


def _made(path: str, name: str) -> str:
    if name not in MADE:
        raise PageError(f"docs/{path}: nothing makes {name!r}; there are {', '.join(MADE)}")
    return MADE[name]()


def _linked(path: str, match: re.Match[str]) -> str:
    image, words, target, anchor = match.groups()
    if "://" in target or target.startswith(("/", "mailto:")):
        return match[0]
    folder = posixpath.dirname("CHANGELOG.md" if path == "changelog.md" else f"docs/{path}")
    file = posixpath.normpath(posixpath.join(folder, target))
    if file.startswith("..") or not (ROOT / file).exists():
        raise PageError(f"docs/{path} links to {target}, which is not there")
    page = ELSEWHERE.get(file)
    if page is None and file.startswith("infra/decisions/"):
        page = file.removeprefix("infra/")
    if page is None and file.startswith("docs/") and not file.endswith(".py"):
        page = file.removeprefix("docs/")
    return f"{image}[{words}](/{page}{anchor})" if page else words
