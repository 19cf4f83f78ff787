"""A Prefect server of one's own and a worker beside it, on loopback, until they are stopped.

Starts and stops processes of the Prefect in this environment; their files are in the home.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from infra.errors import NoServerError
from infra.settings import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.settings import Settings

HOST = "127.0.0.1"
# 3.5 to 9 s on an idle machine; a busy one takes several times as long.
START_S = 90.0
STOP_S = 15.0


def answers(api_url: str, timeout_s: float = 3.0) -> bool:
    """Whether a Prefect server is at an address such as http://127.0.0.1:4200/api."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=timeout_s) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


@contextmanager
def own_server(settings: Settings, port: int) -> Iterator[str]:
    """Run a server on loopback for the block; give its API's address.

    Raises:
        NoServerError: it does not answer; its log is named.
    """
    log = settings.state / "prefect" / "server.log"
    url = f"http://{HOST}:{port}/api"
    if answers(url):
        raise NoServerError(
            f"A server answers at {url} already.",
            command=f"PREFECT_API_URL={url} stillhouse deploy",
        )
    command = ["server", "start", "--host", HOST, "--port", str(port)]
    # Else a server would take its own address for that of another one.
    with _process(
        command, log, {"PREFECT_API_URL": None, "PREFECT_HOME": str(log.parent)}
    ) as server:
        until = time.monotonic() + START_S
        while not answers(url):
            if server.poll() is not None or time.monotonic() > until:
                raise NoServerError("The Prefect server did not start.", command=f"tail {log}")
            time.sleep(0.3)
        yield url


@contextmanager
def worker(settings: Settings, api_url: str, pool: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker for the block that takes up what the server schedules, as processes."""
    log = settings.state / "prefect" / "worker.log"
    command = ["worker", "start", "--pool", pool, "--type", "process", "--name", "stillhouse"]
    with _process(
        command, log, {"PREFECT_API_URL": api_url, "PREFECT_HOME": str(log.parent)}
    ) as process:
        yield process


@contextmanager
def _process(
    arguments: list[str], log: Path, variables: dict[str, str | None]
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "prefect", *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink, child_environment(variables):
        # A session of its own: Ctrl-C reaches us alone, and we stop it in order.
        process = subprocess.Popen(  # noqa: S603 - our own words
            command, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
