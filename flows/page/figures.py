"""`/metrics` of the page: what the catalog holds, and what the last runs of this home told.

Reads the newest snapshot and the files below `home/metrics`; writes nothing. Whoever may see the
page may scrape it, nobody else: Prometheus brings the token as Bearer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from flows.page.home_site import shelf_of
from infra import metrics

if TYPE_CHECKING:
    from catalog.page.shelf import Shelf
    from infra.metrics import Key

router = APIRouter()
# Of the numbers of the overview: the metric, and what a unit of the number is of the metric's.
_FACTS = {
    "sessions": ("stillhouse_catalog_sessions", 1.0),
    "recordings": ("stillhouse_catalog_recordings", 1.0),
    "clips": ("stillhouse_catalog_clips", 1.0),
    "duration_ns": ("stillhouse_catalog_video_seconds", 1e-9),
    "archive_bytes": ("stillhouse_catalog_archive_bytes", 1.0),
}


@router.get("/metrics")
def figures(request: Request) -> Response:
    """Return all metrics of this home in Prometheus's text format."""
    site, shelf = shelf_of(request)
    # Which clips are stale is asked once a snapshot: a second of SQL at a million clips.
    text = site.figures.get(
        shelf.snapshot.digest, lambda: metrics.exposition(catalog_figures(shelf))
    )
    runs = metrics.exposition(metrics.kept(site.settings.metrics))
    return Response(text + runs, media_type=metrics.CONTENT_TYPE)


def catalog_figures(shelf: Shelf) -> dict[Key, float]:
    """Return what the catalog holds as samples."""
    facts = shelf.row("facts") or {}
    found: dict[Key, float] = {
        (name,): facts.get(fact, 0) * unit for fact, (name, unit) in _FACTS.items()
    }
    for table, count in shelf.bytes.items():
        found["stillhouse_catalog_table_bytes", table] = count
    for row in shelf.rows("quarantine_reasons"):
        key = ("stillhouse_catalog_quarantine_rows", row["stage"], row["reason"])
        found[key] = found.get(key, 0) + row["refusals"]
    for row in shelf.rows("stale_clips"):
        found["stillhouse_catalog_stale_clips", row["model"]] = row["clips"]
    for row in shelf.rows("newest_runs"):
        key = ("stillhouse_catalog_newest_run_timestamp_seconds", row["flow"], row["status"])
        found[key] = row["ended_ns"] / 1e9
    return found
