"""The search that the demo ends with: what is most like a held-out clip, elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.query import run
from catalog.store import Catalog
from flows.demo_steps import HELDOUT_CLIPS
from infra.errors import StillhouseError
from tasks.search.find import search

if TYPE_CHECKING:
    from infra.settings import Settings


def demo_search(settings: Settings) -> dict[str, Any] | None:
    """Return the clip that was asked with, and the hits; None where no codes serve."""
    snapshot = Catalog(settings.catalog).snapshot()
    clips = run(snapshot, HELDOUT_CLIPS).to_pylist()
    if not clips:
        return None
    asked = min(row["clip_id"] for row in clips)
    try:
        found = search(settings, clip=asked, elsewhere=True, count=3)
    except StillhouseError:
        return None
    return {"clip_id": asked, **found}
