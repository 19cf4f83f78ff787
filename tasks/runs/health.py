"""What `stillhouse doctor` examines: can this machine and this home do the work?

Reads versions, disk, caches and the registry; writes probe files into the home folder and removes
them. Servers, cluster and clocks are examined in `server_health.py`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from infra import assets
from infra.errors import StillhouseError
from infra.past_runs import tracking_errors, unreachable
from tasks.runs import server_health
from tasks.runs.server_health import check
from tasks.superresolution.presets import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.settings import Settings

# Enough for the environment's caches, the sample archive and an evening's generations.
ADVISED_FREE_BYTES = 5 << 30
NO_SERVER_FIX = "unset STILLHOUSE_MLFLOW_TRACKING_URI, or start the server there"


def examine(settings: Settings) -> list[dict[str, Any]]:
    """Return one `{name, ok, detail, fix}` a check; `fix` is the command that helps, or None."""
    checks: list[Callable[[Settings], dict[str, Any]]] = [
        _python,
        _packages,
        _home,
        _disk,
        _decoder,
        _precision,
        _assets,
        _catalog,
        _mlflow,
        _unsent,
        _champion,
        server_health.prefect_server,
        server_health.mlflow_server,
        server_health.cluster,
        server_health.clock,
    ]
    return [one(settings) for one in checks]


def _python(_: Settings) -> dict[str, Any]:
    found = ".".join(map(str, sys.version_info[:3]))
    return check("python", found, ok=sys.version_info >= (3, 11), fix="make install")


def _packages(_: Settings) -> dict[str, Any]:
    """Hold what is installed against our ranges: pip resolves a broken set without them."""
    wrong = []
    for line in requires("stillhouse") or []:
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted.name} absent")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} {found} is not {wanted.specifier}")
    detail = "; ".join(wrong) or "every package is in its range"
    return check("packages", detail, ok=not wrong, fix="make install")


def _home(settings: Settings) -> dict[str, Any]:
    try:
        settings.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.root):
            pass
    except OSError as error:
        fix = "export STILLHOUSE_HOME=A_FOLDER_YOU_MAY_WRITE"
        return check("home", f"{settings.root}: {error.strerror}", ok=False, fix=fix)
    return check("home", str(settings.root), ok=True)


def _disk(settings: Settings) -> dict[str, Any]:
    there = next(p for p in (settings.root, *settings.root.parents) if p.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 2**30:.1f} GiB free"
    return check("disk", detail, ok=free > ADVISED_FREE_BYTES, fix=f"df -h {there}")


def _decoder(_: Settings) -> dict[str, Any]:
    from tasks.decode import decoder_build

    return check("decoder", decoder_build(), ok=True)


def _precision(settings: Settings) -> dict[str, Any]:
    from models.precision import cpu_precision

    return check("training", f"{cpu_precision()} on {settings.cpus} cores", ok=True)


def _assets(settings: Settings) -> dict[str, Any]:
    absent = [found.name for found in assets.listing(settings.assets) if not found.here]
    detail = f"absent: {', '.join(absent)}" if absent else "all fetched"
    return check("assets", detail, ok=not absent, fix="stillhouse assets fetch")


def _catalog(settings: Settings) -> dict[str, Any]:
    from catalog.store import Catalog

    try:
        snapshot = Catalog(settings.catalog).snapshot()
    except (StillhouseError, OSError) as error:
        return check("catalog", str(error), ok=False, fix="stillhouse ingest FOLDER")
    if not snapshot.versions:
        return check("catalog", "nothing ingested yet", ok=False, fix="stillhouse demo")
    return check("catalog", f"{settings.catalog}, {len(snapshot.versions)} tables", ok=True)


def _mlflow(settings: Settings) -> dict[str, Any]:
    """Ask whether somebody listens, not what MLflow says: it would be asked for half a minute."""
    detail = unreachable(settings)
    return check("mlflow", detail or settings.tracking_uri, ok=not detail, fix=NO_SERVER_FIX)


def _unsent(settings: Settings) -> dict[str, Any]:
    from tasks.training.kept_results import kept_results
    from tasks.training.registration import SEND

    waiting = [f"{one.model} ({one.preset})" for one in kept_results(settings)]
    detail = f"trained, not in MLflow yet: {', '.join(waiting)}" if waiting else "none waits"
    return check("trained models", detail, ok=not waiting, fix=SEND)


def _champion(settings: Settings) -> dict[str, Any]:
    from infra import registry

    if unreachable(settings):
        return check("champion", "MLflow does not answer", ok=False, fix=NO_SERVER_FIX)
    try:
        with tracking_errors(settings):
            found = registry.champion(settings, MODEL_NAME)
    except StillhouseError as error:
        return check("champion", str(error), ok=False, fix=error.command)
    return check("champion", f"{found.name} v{found.version}", ok=True)
