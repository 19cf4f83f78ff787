"""Serves the page on an interface of this machine until it is stopped.

Reads the home and the token; writes nothing but lines on stderr.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from flows.page.app import make_app
from infra.errors import UsageError
from infra.settings import page_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.settings import Settings

LEAST_TOKEN = 16


def serve(settings: Settings, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is told the address once it is listened on.

    Raises:
        UsageError: the interface is not there, the port is taken, or it is not loopback and there
            is no token.
    """
    import uvicorn

    token = required_token(host)
    with closing(_bound(host, port)) as listening:
        taken = listening.getsockname()[1]
        config = uvicorn.Config(
            make_app(settings, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            # Whoever keeps a video open must not keep the server from ending.
            timeout_graceful_shutdown=2,
        )
        ready(f"http://{f'[{host}]' if ':' in host else host}:{taken}/")
        uvicorn.Server(config).run(sockets=[listening])


def required_token(host: str) -> str | None:
    """Return the token that requests must bring: None on loopback where none is set.

    Raises:
        UsageError: the host is not loopback and there is none, or it is too short to be secret.
    """
    token = page_token()
    if token is None and not is_loopback(host):
        raise UsageError(
            f"On {host} anyone who reaches this machine could look: set a token.",
            command="STILLHOUSE_PAGE_TOKEN_FILE=token.txt stillhouse page --host ...",
        )
    if token is not None and len(token) < LEAST_TOKEN:
        raise UsageError(
            f"The token of the page has fewer than {LEAST_TOKEN} characters.",
            command='python -c "import secrets; print(secrets.token_urlsafe())"',
        )
    return token


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(256)
    except OSError as error:
        made.close()
        raise UsageError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.",
            command="stillhouse page --port 0",
        ) from error
    return made
