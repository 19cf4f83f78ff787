"""The page of models: versions, what serves, gates passed and refused. Reads MLflow's registry.

MLflow takes a second to import and asks a database: what it said is kept for some seconds, and no
other page waits for it.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from flows.page.home_site import code_map, shelf_of

if TYPE_CHECKING:
    from infra.settings import Settings

router = APIRouter(default_response_class=HTMLResponse)
KEPT_S = 5.0


class RegisteredModels:
    """What the registry said last; any number of threads may ask."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, Lock()
        self._found: list[dict[str, Any]] = []
        self._until = 0.0

    def all(self) -> list[dict[str, Any]]:
        """Return every model with its versions, newest first, and their gates.

        Raises:
            TrackingUnavailableError: MLflow does not answer.
        """
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = _models(self._settings)
                self._until = time.monotonic() + KEPT_S
            return self._found


@router.get("/models")
def registered_models(request: Request) -> HTMLResponse:
    """Show model versions with their gates."""
    site, shelf = shelf_of(request)
    kept: RegisteredModels = request.app.state.models
    return site.draw(request, "models.html", shelf=shelf, models=kept.all())


@router.get("/map")
def code_space(request: Request) -> HTMLResponse:
    """Show the picture of the code space, if there is one."""
    site, shelf = shelf_of(request)
    return site.draw(request, "map.html", shelf=shelf)


@router.get("/pictures/map")
def code_space_picture(request: Request) -> Response:
    """Send that picture."""
    site, _ = shelf_of(request)
    path = code_map(site.settings)
    return Response(status_code=404) if path is None else FileResponse(path)


def _models(settings: Settings) -> list[dict[str, Any]]:
    from infra import registry

    found = []
    for name in registry.names(settings):
        versions = [
            {
                "version": one.version,
                "aliases": one.aliases,
                "created": one.created,
                "preset": one.tags.get("preset", ""),
                "digest": one.digest,
                "withdrawn": registry.WITHDRAWN_TAG in one.tags,
                "gates": [_gate(gate) for gate in registry.recorded_gates(one)],
            }
            for one in reversed(registry.versions(settings, name))
        ]
        found.append({"name": name, "versions": versions})
    return found


def _gate(gate: dict[str, Any]) -> dict[str, Any]:
    """Return a gate with everything a page shows, whichever version of Stillhouse judged it."""
    blank = {"name": "", "value": None, "threshold": None, "passed": False}
    return blank | {"bound": "", "said": "", "interval": None} | gate
