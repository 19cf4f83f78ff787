"""Reads a built site as a browser would, and says what leads nowhere or would be fetched.

What Sphinx checks are the links it knows; here every `href` and `src` is asked, with its anchor.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

# A link that a reader may click leaves the site; what a browser loads by itself may not.
CLICKED = ("a", "area")


class _Page(HTMLParser):
    """Notes the anchors of a page, and what it points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one tag says."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if name in ("href", "src", "data") and value:
                self.targets.append((tag, value))


def faults(site: Path) -> list[str]:
    """Return a sentence for each link, anchor or picture that is not there, or not here."""
    pages = {file: _Page(file.read_text("utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        where = file.relative_to(site)
        for tag, target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag not in CLICKED and parts.scheme != "data":
                    found.append(f"{where} would load {target}")
                continue
            to = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not to.exists():
                found.append(f"{where} leads to {target}, which is not there")
            elif (
                parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].anchors
            ):
                found.append(f"{where} leads to {target}, and that page has no such place")
    for file in sorted(site.rglob("*.css")):
        text = file.read_text("utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            found.append(f"{file.relative_to(site)} would load something from elsewhere")
    return found
