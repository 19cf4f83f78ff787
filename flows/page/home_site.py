"""What all pages share: the newest snapshot, how a page is drawn, and how paging is asked for.

Reads templates and static files once; writes nothing.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from catalog.page.latest import Latest
from flows.page import words
from flows.page.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from catalog.page.shelf import Shelf
    from infra.settings import Settings

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
ROWS = 25
# Offsets beyond this are no page of any list; SQL takes 63 bits.
MOST_ROWS = 1 << 40


class Site:
    """One home as pages; any number of threads may draw."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.latest = Latest(settings.catalog)
        self.pictures = Kept(entries=512)
        self.figures = Kept(entries=2)
        # A decode and a statement take a core each; more at once would only wait for it.
        self.decoding = BoundedSemaphore(max(1, settings.cpus - 1))
        self.drawing = BoundedSemaphore(1)
        self.thinking = BoundedSemaphore(1)

    @cached_property
    def _templates(self) -> Environment:
        made = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        made.filters |= words.FILTERS
        # The name of a style changes with its contents, so browsers may keep it for good.
        made.globals["built"] = _digest()
        return made

    def draw(self, request: Request, name: str, status: int = 200, **given: object) -> HTMLResponse:
        """Return a page made of a template; all that is given to it is escaped."""
        common = {
            "path": request.url.path,
            "shelf": given.pop("shelf", None),
            "has_map": code_map(self.settings) is not None,
            "paged": lambda **changes: address(request, changes),
        }
        page = self._templates.get_template(name).render(common | given)
        return HTMLResponse(page, status)


class Paging:
    """Which page of a list is asked for, and which there are; pages count from 1."""

    def __init__(self, page: int, total: int | None = None, size: int = ROWS) -> None:
        self.page, self.total, self.size = max(1, page), total, size

    @property
    def first(self) -> int:
        """Rows before it."""
        return min((self.page - 1) * self.size, MOST_ROWS)

    @property
    def pages(self) -> int | None:
        """How many pages there are, None where nobody counted."""
        return None if self.total is None else max(1, -(-self.total // self.size))

    def more(self, shown: int) -> bool:
        """Tell whether a page follows one that shows so many rows."""
        return shown == self.size if self.pages is None else self.page < self.pages


def address(request: Request, changes: Mapping[str, object]) -> str:
    """Return this page's address with some of its parameters changed, None leaving one out."""
    asked = dict(request.query_params) | {k: str(v) for k, v in changes.items() if v is not None}
    kept = {k: v for k, v in asked.items() if v and changes.get(k, "") is not None}
    return f"?{urlencode(kept)}" if kept else request.url.path


def shelf_of(request: Request) -> tuple[Site, Shelf]:
    """Return the site that a request is for, and the snapshot it is answered from."""
    site: Site = request.app.state.site
    return site, site.latest.shelf()


def code_map(settings: Settings) -> Path | None:
    """Return the picture of the code space, if someone has made it: HOME/maps/codes.svg or .png."""
    for suffix in (".svg", ".png"):
        path = settings.root / "maps" / f"codes{suffix}"
        if path.is_file():
            return path
    return None


def _digest() -> str:
    found: dict[str, Any] = {
        path.name: path.read_bytes() for path in sorted(STATIC.iterdir()) if path.is_file()
    }
    return hashlib.blake2b(b"".join(found.values()), digest_size=6).hexdigest()
