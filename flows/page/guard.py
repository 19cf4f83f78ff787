"""Who may ask, and what every answer says to the browser. Reads and writes nothing.

The page stands on loopback, where any site that a browser has open can send requests to it. So a
request must name this machine (or a name could be rebound to it), and must not come from another
site except as a link that is followed. On any other interface it must bring the token.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
METHODS = frozenset({"GET", "HEAD"})
# Nothing inline, nothing from elsewhere, in no frame.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
# What costs more than a look: never for another site, not even as a link that is followed.
COSTLY = ("/sql", "/search")


class Guard:
    """Lets a request through to the pages, or says why not.

    Without `token` the page is for loopback names alone; with it, for whoever brings it, as the
    password of Basic (which browsers ask for; any user name) or as Bearer.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets here
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        app = self._app if refusal is None else refusal
        await app(scope, receive, _with_headers(send))

    def _refusal(self, method: str, path: str, headers: Headers) -> ASGIApp | None:
        if method not in METHODS:
            return PlainTextResponse("read only\n", 405, {"allow": ", ".join(sorted(METHODS))})
        if self._token is None:
            if host_name(headers.get("host", "")) not in LOOPBACK:
                return PlainTextResponse("this page answers to 127.0.0.1 and localhost\n", 421)
        elif path != "/healthz" and not _brings(headers.get("authorization", ""), self._token):
            challenge = {"www-authenticate": 'Basic realm="stillhouse", charset="UTF-8"'}
            return PlainTextResponse("a token is needed\n", 401, challenge)
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            followed = headers.get("sec-fetch-mode") == "navigate"
            if not followed or path.startswith(COSTLY):
                return PlainTextResponse("not from another site\n", 403)
        return None


def host_name(host: str) -> str:
    """Return the name in a Host header, without its port; "" if it is none."""
    if host.startswith("["):
        name, closed, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _, port = host.partition(":")
        closed = "]"
    return name.lower() if closed and (not port or port.isdecimal()) else ""


def _brings(authorization: str, token: str) -> bool:
    kind, _, given = authorization.partition(" ")
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, no UTF-8
            return False
    elif kind.lower() != "bearer":
        return False
    # As bytes: a comparison of text refuses what is not ASCII.
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
