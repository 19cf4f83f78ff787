"""The pages that think: search by clip and by words, and SQL. Reads; writes nothing.

One question is answered at a time; whoever comes meanwhile is told so rather than kept waiting.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from catalog.usersql import select_user
from flows.page.home_site import Site, shelf_of
from infra.errors import StillhouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

router = APIRouter(default_response_class=HTMLResponse)
HITS = 24
# A statement of a person at a page: what takes longer is for `stillhouse sql`.
SQL_ROWS, SQL_TIMEOUT_S, SQL_MEMORY_BYTES = 200, 10.0, 512 << 20
WAIT_S = 2.0
EXAMPLES = (
    "select name, len(cameras) as cameras, duration_ns / 1e9 as seconds from current_sessions",
    "select view, count(*) as features, count(absent) as absent from features group by view",
    "describe clips",
)


@router.get("/search")
def search(
    request: Request,
    text: Annotated[str, Query(max_length=500)] = "",
    clip: Annotated[str, Query(max_length=128)] = "",
    elsewhere: bool = False,
) -> HTMLResponse:
    """Show the clips nearest to a sentence, or to a clip."""
    site, shelf = shelf_of(request)
    text, clip = text.strip(), clip.strip()
    found, error = None, None
    if text or clip:
        try:
            found = _searched(site, text, clip, elsewhere=elsewhere)
            for hit in found["hits"]:
                cameras = shelf.rows("session_recordings", {"session_id": hit["session_id"]})
                seen = hit["camera_id"]
                hit["shown"] = next((c for c in cameras if seen in (None, c["camera_id"])), None)
        except StillhouseError as caught:
            error = caught
    return site.draw(
        request,
        "search.html",
        status=200 if error is None else 400,
        shelf=shelf,
        text=text,
        clip=clip,
        elsewhere=elsewhere,
        found=found,
        error=error,
    )


@router.get("/sql")
def sql(request: Request, q: Annotated[str, Query(max_length=20_000)] = "") -> HTMLResponse:
    """Run one reading statement over the snapshot and show what it gives."""
    site, shelf = shelf_of(request)
    columns: list[str] = []
    rows: list[list[Any]] = []
    error, more = None, False
    if q.strip():
        try:
            with _turn(site):
                table = select_user(
                    shelf.snapshot,
                    q,
                    SQL_ROWS + 1,
                    timeout_s=SQL_TIMEOUT_S,
                    memory_bytes=SQL_MEMORY_BYTES,
                )
                columns, more = table.column_names, table.num_rows > SQL_ROWS
                rows = _plain(table.slice(0, SQL_ROWS))
        except StillhouseError as caught:
            error = caught
    return site.draw(
        request,
        "sql.html",
        status=200 if error is None else 400,
        shelf=shelf,
        q=q,
        columns=columns,
        rows=rows,
        more=more,
        error=error,
        examples=EXAMPLES,
        limits=(SQL_ROWS, SQL_TIMEOUT_S),
    )


def _searched(site: Site, text: str, clip: str, *, elsewhere: bool) -> dict[str, Any]:
    from tasks.search.find import search as nearest

    with _turn(site):
        if clip:
            return nearest(site.settings, clip=clip, elsewhere=elsewhere, count=HITS)
        return nearest(site.settings, text=text, count=HITS)


@contextmanager
def _turn(site: Site) -> Iterator[None]:
    if not site.thinking.acquire(timeout=WAIT_S):
        raise HTTPException(503, "Another question is being answered: ask again in a moment.")
    try:
        yield
    finally:
        site.thinking.release()


def _plain(table: Any) -> list[list[Any]]:  # noqa: ANN401  pyarrow ships no types
    """Return the rows, columns by place (names may come twice), bytes by their length."""
    columns = [
        [f"{len(v)} bytes" if isinstance(v, bytes) else v for v in column.to_pylist()]
        for column in table.columns
    ]
    return [list(row) for row in zip(*columns, strict=True)]
