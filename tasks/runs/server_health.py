"""What `stillhouse doctor` finds of servers, the cluster and clocks: are they there, do they agree?

Asks Prefect, MLflow and Ray's head where the environment names any; reads the newest rows of the
catalog, and a probe file's time. Each check has a fix.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from base64 import b64encode
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from packaging.version import InvalidVersion, Version
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from catalog.query import rows
from catalog.store import Catalog
from infra.errors import ComputeUnavailableError, StillhouseError
from infra.log_lines import redacted
from infra.ray_cluster import require_head

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.settings import Settings

TIMEOUT_S = 3.0
# HTTP says whole seconds; NTP keeps machines within hundredths.
MOST_SKEW_S = 5.0
CLOCK_FIX = "timedatectl set-ntp true"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said: the text of its answer, and by how much its clock is before ours."""

    text: str
    ahead_s: float | None


def check(name: str, detail: str, *, ok: bool, fix: str | None = None) -> dict[str, Any]:
    """Return one finding; what it says holds no credentials."""
    return {"name": name, "ok": ok, "detail": redacted(detail), "fix": None if ok else fix}


def prefect_server(_: Settings) -> dict[str, Any]:
    """Tell whether the Prefect server that `PREFECT_API_URL` names answers, in our version."""
    address = PREFECT_API_URL.value()
    if not address:
        return check("prefect", "none is set: each flow starts its own", ok=True)
    fix = "unset PREFECT_API_URL, or start it there: prefect server start"
    try:
        said = json.loads(_asked(f"{address.rstrip('/')}/admin/version", _credentials()).text)
    except HTTPError as error:
        if error.code in (401, 403):
            fix = "export PREFECT_API_AUTH_STRING=USER:PASSWORD"
        return check("prefect", f"{address} answers {_why(error)}", ok=False, fix=fix)
    except (OSError, ValueError) as error:
        return check("prefect", f"{address} does not answer: {_why(error)}", ok=False, fix=fix)
    return _same("prefect", address, str(said), fix="pip install prefect=={there}")


def mlflow_server(settings: Settings) -> dict[str, Any]:
    """Tell whether the MLflow server of the settings answers, in our version."""
    address = settings.tracking_uri
    if urlsplit(address).scheme not in ("http", "https"):
        return check("mlflow server", "none is set: the store is a database", ok=True)
    try:
        _asked(f"{address.rstrip('/')}/health")
        said = _asked(f"{address.rstrip('/')}/version").text.strip()
    except (OSError, ValueError) as error:
        fix = "unset STILLHOUSE_MLFLOW_TRACKING_URI, or start the server there"
        why = f"{address} does not answer: {_why(error)}"
        return check("mlflow server", why, ok=False, fix=fix)
    return _same("mlflow server", address, said, fix="pip install mlflow=={there}")


def cluster(settings: Settings) -> dict[str, Any]:
    """Tell whether somebody listens where Ray's head should be; not whether it lets us in."""
    address = settings.ray_address
    if address is None:
        return check("cluster", f"a local Ray of {settings.cpus} cores", ok=True)
    try:
        require_head(address)
    except (ComputeUnavailableError, ValueError) as error:
        return check("cluster", str(error), ok=False, fix="unset STILLHOUSE_RAY_ADDRESS")
    return check("cluster", f"a head answers at {address}", ok=True)


def clock(settings: Settings) -> dict[str, Any]:
    """Tell whether this machine's clock agrees with the disk's, the servers' and the catalog's.

    Rows say when they were made, and the newest count: a clock that goes wrong makes old ones win.
    """
    skews = {"the file system": _disk_ahead_s(settings), "the catalog": _rows_ahead_s(settings)}
    prefect = PREFECT_API_URL.value()
    if prefect:
        skews["Prefect"] = _server_ahead_s(f"{prefect.rstrip('/')}/health")
    if settings.tracking_uri.startswith(("http://", "https://")):
        skews["MLflow"] = _server_ahead_s(f"{settings.tracking_uri.rstrip('/')}/health")
    # Rows from the past are what rows are.
    off = {
        name: skew
        for name, skew in skews.items()
        if skew is not None and (skew if name == "the catalog" else abs(skew)) > MOST_SKEW_S
    }
    told = [
        f"{name} is {abs(s):,.0f} s {'ahead' if s > 0 else 'behind'}" for name, s in off.items()
    ]
    asked = ", ".join(name for name, skew in skews.items() if skew is not None)
    detail = "; ".join(told) or f"agrees with {asked or 'nobody, there is nothing to ask'}"
    return check("clock", detail, ok=not off, fix=CLOCK_FIX)


def _same(name: str, address: str, there: str, *, fix: str) -> dict[str, Any]:
    """Hold a server's version against the client's: their first two numbers must be equal."""
    here = version("mlflow" if name.startswith("mlflow") else name)
    try:
        equal = Version(there).release[:2] == Version(here).release[:2]
    except InvalidVersion:
        return check(
            name, f"{address} says {there!r} of its version", ok=False, fix=f"curl {address}"
        )
    detail = f"{address}, {there}" + ("" if equal else f", and here is {here}")
    return check(name, detail, ok=equal, fix=fix.format(there=there))


def _asked(address: str, headers: Mapping[str, str] | None = None) -> _Answer:
    """Return what a server answers.

    Raises:
        OSError: it does not, or refuses.
        ValueError: that is no address.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError(f"{address} is no http address")
    began = time.time()
    with urlopen(Request(address, headers=dict(headers or {})), timeout=TIMEOUT_S) as answer:  # noqa: S310  checked above
        text = answer.read(1 << 16).decode("utf-8", "replace")
        stamp = answer.headers.get("date")
    middle = (began + time.time()) / 2
    try:
        ahead = parsedate_to_datetime(stamp).timestamp() - middle if stamp else None
    except ValueError:
        ahead = None
    return _Answer(text, ahead)


def _credentials() -> dict[str, str]:
    """Return the header by which Prefect's server knows us, if it is to."""
    found = PREFECT_API_AUTH_STRING.value()
    if found is None:
        return {}
    return {"authorization": f"Basic {b64encode(found.get_secret_value().encode()).decode()}"}


def _server_ahead_s(address: str) -> float | None:
    try:
        return _asked(address).ahead_s
    except (OSError, ValueError):
        return None  # that it does not answer another check says


def _disk_ahead_s(settings: Settings) -> float | None:
    """A network disk stamps files with its own clock."""
    try:
        with tempfile.NamedTemporaryFile(dir=settings.root) as probe:
            probe.write(b"x")
            probe.flush()
            return Path(probe.name).stat().st_mtime - time.time()
    except OSError:
        return None


def _rows_ahead_s(settings: Settings) -> float | None:
    try:
        found = rows(Catalog(settings.catalog).snapshot(), "newest_instant")
    except (StillhouseError, OSError):
        return None
    return found[0]["newest_ns"] / 1e9 - time.time() if found else None


def _why(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, socket.timeout):
        return f"nothing for {TIMEOUT_S:.0f} s"
    return str(getattr(reason, "strerror", None) or reason)
