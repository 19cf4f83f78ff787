"""The doctor finds each fault that is made here, and says what mends it."""

from __future__ import annotations

import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from small_catalog import filled, small_catalog

from catalog.schemas.registry import TABLES
from infra.settings import Settings
from tasks.runs import health, server_health
from tasks.runs.health import examine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Told:
    """What a server of the tests says of itself, and when it says that it is."""

    def __init__(self) -> None:
        self.version, self.ahead_s, self.status = "0.0.1", 0.0, 200


@pytest.fixture
def told() -> Iterator[tuple[Told, str]]:
    """A server that says what it is told to, and its address."""
    saying = Told()

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or time.time()) + saying.ahead_s, usegmt=True)

        def do_GET(self) -> None:
            quoted = f'"{saying.version}"' if "admin" in self.path else saying.version
            self.send_response(saying.status)
            self.end_headers()
            self.wfile.write(quoted.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield saying, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def faulty(found: dict[str, Any], *words: str) -> bool:
    """Tell whether a finding is a fault that says these words and has a fix."""
    return not found["ok"] and bool(found["fix"]) and all(w in found["detail"] for w in words)


def test_without_servers_there_is_nothing_to_mend(tmp_path: Path) -> None:
    """A laptop has its own of everything, and its clock agrees with its disk."""
    settings = Settings(home=tmp_path)
    with temporary_settings({PREFECT_API_URL: None}):
        for one in ("prefect_server", "mlflow_server", "cluster", "clock"):
            assert getattr(server_health, one)(settings)["ok"], one


def test_a_prefect_server_that_is_there_is_sound(
    prefect_server: None,  # noqa: ARG001  it is running
    tmp_path: Path,
) -> None:
    """The real one: it answers, in our version, at our time."""
    address = PREFECT_API_URL.value()
    found = server_health.prefect_server(Settings(home=tmp_path))
    assert found["ok"]
    assert version("prefect") in found["detail"]
    assert address in found["detail"]
    clock = server_health.clock(Settings(home=tmp_path))
    assert clock["ok"]
    assert "Prefect" in clock["detail"]


def test_servers_that_are_away_are_named(tmp_path: Path) -> None:
    """The address that does not answer stands there, and what to do."""
    # Held and not listened at, so that nobody else can answer there.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{held.getsockname()[1]}"
        gone = f"http://{place}"
        settings = Settings(home=tmp_path, mlflow_tracking_uri=gone, ray_address=place)
        with temporary_settings({PREFECT_API_URL: f"{gone}/api"}):
            assert faulty(server_health.prefect_server(settings), f"{gone}/api", "refused")
        assert faulty(server_health.mlflow_server(settings), gone, "refused")
        assert faulty(server_health.cluster(settings), place)
    assert faulty(server_health.cluster(Settings(home=tmp_path, ray_address="ray://here:port")))


def test_a_cluster_whose_head_listens_is_sound(tmp_path: Path) -> None:
    """Somebody listens there."""
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        address = f"127.0.0.1:{head.getsockname()[1]}"
        assert server_health.cluster(Settings(home=tmp_path, ray_address=address))["ok"]


def test_servers_of_other_versions_are_found(told: tuple[Told, str], tmp_path: Path) -> None:
    """Both versions stand there, and what installs theirs; a word that is none is a fault too."""
    saying, address = told
    settings = Settings(home=tmp_path, mlflow_tracking_uri=address)
    with temporary_settings({PREFECT_API_URL: address}):
        found = server_health.prefect_server(settings)
        assert faulty(found, "0.0.1", version("prefect"))
        assert found["fix"] == "pip install prefect==0.0.1"
        assert faulty(server_health.mlflow_server(settings), "0.0.1", version("mlflow"))
        saying.version = "<html>"
        assert faulty(server_health.mlflow_server(settings), "<html>")
        saying.status = 401
        assert "AUTH" in str(server_health.prefect_server(settings)["fix"])
        saying.status, saying.version = 200, version("prefect")
        assert server_health.prefect_server(settings)["ok"]


def test_a_clock_that_is_off_is_found(told: tuple[Told, str], tmp_path: Path) -> None:
    """By what a server says, in whose direction, and by how much; a second is nothing."""
    saying, address = told
    settings = Settings(home=tmp_path, mlflow_tracking_uri=address)
    assert server_health.clock(settings)["ok"]
    for ahead, word in ((3600, "ahead"), (-3600, "behind")):
        saying.ahead_s = ahead
        found = server_health.clock(settings)
        assert faulty(found, "MLflow", word)
        seconds = int(found["detail"].split(" is ")[1].split()[0].replace(",", ""))
        assert abs(seconds - 3600) <= 2
        assert found["fix"] == "timedatectl set-ntp true"
    saying.ahead_s = 1
    assert server_health.clock(settings)["ok"]


def test_rows_from_the_future_are_found(tmp_path: Path) -> None:
    """A run that ended tomorrow was written by a clock that is wrong, or this one is."""
    settings = Settings(home=tmp_path)
    catalog = small_catalog(tmp_path / "catalog")
    assert server_health.clock(settings)["ok"]
    later = filled(TABLES["runs"], flow="ingest", ended_ns=time.time_ns() + 86_400_000_000_000)
    catalog.commit(TABLES["runs"], [later])
    assert faulty(server_health.clock(settings), "the catalog", "86,400 s ahead")


def finding(settings: Settings, name: str) -> dict[str, Any]:
    """Return one finding of the whole examination."""
    return next(one for one in examine(settings) if one["name"] == name)


def test_each_fault_of_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No assets, catalog, champion or room; packages out of range; a file in the way."""
    new = Settings(home=tmp_path / "new")
    for name, fix in (
        ("assets", "stillhouse assets fetch"),
        ("catalog", "stillhouse demo"),
        ("champion", "stillhouse promote"),
    ):
        found = finding(new, name)
        assert not found["ok"]
        assert fix in found["fix"]
    monkeypatch.setattr(health, "ADVISED_FREE_BYTES", 1 << 62)
    assert finding(new, "disk")["fix"].startswith("df -h")
    monkeypatch.setattr(health, "requires", lambda _: ["numpy<1", "no-such-package>=2"])
    packages = finding(new, "packages")
    assert faulty(packages, "numpy", "no-such-package absent")
    (tmp_path / "file").write_text("")
    home = health._home(Settings(home=tmp_path / "file" / "home"))
    assert faulty(home, "file")
    assert "STILLHOUSE_HOME" in home["fix"]


def test_findings_hold_no_credentials(tmp_path: Path) -> None:
    """An address with a password is told without it."""
    address = f"http://me:hunter2@127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: address}):
        assert "hunter2" not in str(server_health.prefect_server(Settings(home=tmp_path)))
