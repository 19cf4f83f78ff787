"""Where benches of the distiller read windows from: a home that is there, or one made of a corpus.

Reads a catalog; `made_home` ingests and extracts what real footage is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.query import run
from catalog.store import Catalog
from tasks.views.current import view_versions
from tasks.window_sets import WindowSource

if TYPE_CHECKING:
    from infra.settings import Settings


def window_source(settings: Settings) -> WindowSource:
    """Return the windows of a home as it is now."""
    snapshot = Catalog(settings.catalog).snapshot()
    named = run(snapshot, "select session_id, name from current_sessions").to_pylist()
    return WindowSource(
        snapshot,
        view_versions((), settings),
        settings.grid_step_ns,
        {row["session_id"]: row["name"] for row in named},
    )
