"""The page as an ASGI application: its routes, and what a fault looks like.

Reads one home; writes nothing. Made anew for each home, so nothing is global.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from flows.page import asking, figures, media, pages, registry_pages
from flows.page.guard import Guard
from flows.page.home_site import STATIC, Site
from infra.errors import StillhouseError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from infra.settings import Settings


def make_app(settings: Settings, token: str | None = None) -> ASGIApp:
    """Return the application over one home; with `token` it answers whoever brings it."""
    # Its own pages of documentation would need scripts from elsewhere.
    app = FastAPI(title="Stillhouse", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = Site(settings)
    app.state.models = registry_pages.RegisteredModels(settings)
    for part in (pages, registry_pages, asking, media, figures):
        app.include_router(part.router)
    app.mount("/static", _Static(directory=STATIC))
    app.add_api_route("/healthz", _alive, methods=["GET"])
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misasked)
    app.add_exception_handler(StillhouseError, _failed)
    return Guard(app, token)


class _Static(StaticFiles):
    """Files that change their name with their contents: browsers ask for them once."""

    def file_response(self, *args: object, **given: object) -> Response:
        response = super().file_response(*args, **given)  # type: ignore[arg-type]
        response.headers["cache-control"] = "private, max-age=604800"
        return response


def _alive() -> Response:
    return PlainTextResponse("ok\n")


def _refused(request: Request, error: Exception) -> Response:
    status, said = 500, ""
    if isinstance(error, HTTPException):
        status, said = error.status_code, str(error.detail)
    if request.url.path.startswith(("/media/", "/pictures/", "/static/")):
        return PlainTextResponse(f"{said}\n", status)
    return _told(request, status, said, None)


def _misasked(request: Request, error: Exception) -> Response:
    del error  # what it says is for programs
    return _told(request, 400, "The address holds a value that cannot be.", None)


def _failed(request: Request, error: Exception) -> Response:
    command = error.command if isinstance(error, StillhouseError) else None
    return _told(request, 503, str(error), command)


def _told(request: Request, status: int, said: str, command: str | None) -> Response:
    site: Site = request.app.state.site
    return site.draw(request, "fault.html", status, said=said, command=command, code=status)
