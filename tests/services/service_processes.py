"""The services of a team as processes on loopback, started as `infra/compose.yaml` starts them.

Each context manager gives a `Service` that can be killed and started again with what it had.
Everything they write is in the folder they are given.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HOST = "127.0.0.1"
NOBODY = 65534
# 4 s for each of them on an idle machine.
PATIENCE_S = 120.0
USER, PASSWORD = "stillhouse", "a-password-of-a-test"
DATABASES = ("prefect", "mlflow")
# Nothing of what the tests' own process was started with.
OURS = ("PREFECT", "MLFLOW", "RAY_", "AWS_", "STILLHOUSE")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        port: int = one.getsockname()[1]
        return port


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without its own services, and with these variables."""
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS)} | dict(given)


def wait_for(answers: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it does not become so.
    """
    until = time.monotonic() + patience_s
    while not answers():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.1)


def is_healthy(url: str) -> bool:
    """Whether a GET of an address is answered with 200."""
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310  our own address
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass
class Service:
    """One process, with all that it started, that may go away and come back."""

    command: list[str]
    variables: Mapping[str, str]
    log: Path
    healthy: Callable[[], bool]
    user: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                self.command,
                env=environment(self.variables),
                cwd="/" if self.user else self.log.parent,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text("utf-8")[-3000:]
            return self.healthy()

        wait_for(ready, f"{self.command[:4]} does not answer, see {self.log}")

    def kill(self) -> None:
        """End it and all that it started at once, as a lost machine would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        tree = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        tree += [child for one in tree for child in one.children(recursive=True)]
        for one in tree if how == signal.SIGKILL else tree[:1]:
            with suppress(psutil.Error):
                one.send_signal(how)
        _, left = psutil.wait_procs(tree, timeout=20)
        for one in left:
            with suppress(psutil.Error):
                one.kill()
        self.process.wait()


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Run a service for the block."""
    try:
        service.start()
        yield service
    finally:
        service.kill()


def postgres_program(name: str) -> str | None:
    """Return where a program of Postgres is: on PATH, or where Debian puts it; None if nowhere."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[Service, int]]:
    """Run a Postgres with the two databases, a user and a password; give its port.

    It refuses to run as root, so root runs it as nobody: `folder` must be open to all.
    """
    port, data = free_port(), folder / "postgres"
    user = NOBODY if os.geteuid() == 0 else None
    data.mkdir()
    secret = folder / "password"
    secret.write_text(PASSWORD)
    for path in (data, secret):
        if user:
            os.chown(path, user, user)
    command = [str(postgres_program("initdb")), "-D", str(data / "data"), "-U", USER]
    command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
    made = subprocess.run(
        command,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    command = [str(postgres_program("postgres")), "-D", str(data / "data"), "-p", str(port)]
    for option in (f"listen_addresses={HOST}", f"unix_socket_directories={data}"):
        command += ["-c", option]
    service = Service(command, {}, folder / "postgres.log", lambda: can_ask(port), user)
    with running(service):
        for name in DATABASES:
            ask(port, "postgres", f"create database {name}")
        yield service, port


def ask(port: int, database: str, sql: str) -> list[tuple[object, ...]]:
    """Return the rows of one statement."""
    import pg8000.dbapi

    connection = pg8000.dbapi.connect(USER, HOST, database, port, PASSWORD, timeout=10)
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()


def can_ask(port: int) -> bool:
    """Whether Postgres answers."""
    import pg8000

    try:
        return ask(port, "postgres", "select 1") == [(1,)]
    except (OSError, pg8000.Error):
        return False


def prefect_server(folder: Path, database: int, secret: str) -> tuple[Service, str]:
    """Return a Prefect server over Postgres that asks for a secret, and its API's address."""
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    variables = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
        "PREFECT_SERVER_DATABASE_HOST": HOST,
        "PREFECT_SERVER_DATABASE_PORT": str(database),
        "PREFECT_SERVER_DATABASE_USER": USER,
        "PREFECT_SERVER_DATABASE_PASSWORD": PASSWORD,
        "PREFECT_SERVER_DATABASE_NAME": "prefect",
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    url = f"http://{HOST}:{port}/api"
    log, health = folder / "prefect.log", f"{url}/health"
    command += ["--port", str(port)]
    return Service(command, variables, log, lambda: is_healthy(health)), url


def mlflow_server(
    folder: Path, database: int, secret: str, store: Mapping[str, str]
) -> tuple[Service, str]:
    """Return an MLflow server over Postgres and a bucket that asks who one is; its address."""
    port = free_port()
    uri = f"postgresql+pg8000://{USER}:{PASSWORD}@{HOST}:{database}/mlflow"
    (folder / "mlflow-auth.ini").write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {uri}\n"
        "admin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--artifacts-destination", "s3://mlflow", "--workers", "1"]
    variables = {
        **store,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "mlflow-auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": secret,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    url = f"http://{HOST}:{port}"
    log, health = folder / "mlflow.log", f"{url}/health"
    command += ["--app-name", "basic-auth"]
    return Service(command, variables, log, lambda: is_healthy(health)), url


def ray_node(
    folder: Path, number: int, variables: Mapping[str, str], head: str | None = None
) -> tuple[Service, str]:
    """Return a Ray node of one core, the head or a worker of one, and the head's address."""
    port = free_port()
    address = head or f"{HOST}:{port}"
    command = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1"]
    command += [f"--node-ip-address={HOST}", f"--object-store-memory={128 << 20}"]
    # Ray's sockets may not pass 107 bytes.
    here = ["--head", f"--temp-dir={folder}/ray", "--include-dashboard=false", f"--port={port}"]
    command += [f"--address={head}"] if head else here

    log = folder / f"ray{number}.log"
    return Service(command, variables, log, lambda: b"runtime started" in log.read_bytes()), address
