"""Who may look: this machine by its own names, whoever brings the token, no other site."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from flows.page.app import make_app
from flows.page.guard import host_name
from flows.page.serve import is_loopback, required_token, serve
from infra.errors import UsageError
from infra.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "correct-horse-battery-staple"  # noqa: S105  it guards nothing


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """A browser on this machine, of a page without a token."""
    return TestClient(make_app(Settings(home=tmp_path)), "http://127.0.0.1:8410")


@pytest.fixture
def guarded(tmp_path: Path) -> TestClient:
    """A browser elsewhere, of a page with a token."""
    return TestClient(make_app(Settings(home=tmp_path), TOKEN), "http://archive.example")


def test_every_answer_is_closed_to_scripts_frames_and_guesses(client: TestClient) -> None:
    """Pages, files and refusals alike carry the headers, and no policy allows what is inline."""
    for path in ("/", "/static/page.css", "/media/recordings/none", "/nowhere", "/healthz"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8410",
        "",
        "[::1",
        "[::1]x",
        "10.0.0.1",
    ],
)
def test_a_name_rebound_to_this_machine_is_refused(client: TestClient, host: str) -> None:
    """Only loopback's own names are answered to: another site's name may point here."""
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:8410"])
def test_loopback_is_known_by_its_names(client: TestClient, host: str) -> None:
    """Every usual way to write this machine is answered to."""
    assert client.get("/", headers={"host": host}).status_code == 200
    assert host_name(host)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_taken(client: TestClient, method: str) -> None:
    """A request that could change something is refused before it reaches a page."""
    assert client.request(method, "/sql").status_code == 405


def test_another_site_may_link_but_neither_embed_nor_ask(client: TestClient) -> None:
    """A followed link opens a page; pictures, media, SQL and search are not for other sites."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/sessions", headers=link).status_code == 200
    assert client.get("/sql?q=select+1", headers=link).status_code == 403
    assert client.get("/search?text=x", headers=link).status_code == 403
    assert client.get("/static/page.css", headers=embedded).status_code == 403
    assert client.get("/sql", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_the_token_opens_the_page_and_nothing_else_does(guarded: TestClient) -> None:
    """Basic by password or Bearer; a wrong, empty or malformed one is 401 on every path."""
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    for given in (f"Basic {basic}", f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        assert guarded.get("/", headers={"authorization": given}).status_code == 200
    wrong = base64.b64encode(b"anyone:wrong").decode()
    for given in ("", "Basic", f"Basic {wrong}", "Basic é!", "Bearer ", f"Digest {TOKEN}", TOKEN):
        for path in ("/", "/static/page.css", "/media/recordings/x", f"/?token={TOKEN}"):
            found = guarded.get(path, headers={"authorization": given.encode("latin-1")})
            assert found.status_code == 401
            assert found.headers["www-authenticate"].startswith("Basic")
    assert guarded.get("/healthz").text == "ok\n"


def test_other_interfaces_need_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without one the server does not start; it comes from the environment or a file."""
    monkeypatch.delenv("STILLHOUSE_PAGE_TOKEN", raising=False)
    monkeypatch.delenv("STILLHOUSE_PAGE_TOKEN_FILE", raising=False)
    assert required_token("127.0.0.1") is None
    for host in ("0.0.0.0", "192.168.1.9", "::", "archive.example", "2130706433"):  # noqa: S104
        with pytest.raises(UsageError, match="token"):
            required_token(host)
    monkeypatch.setenv("STILLHOUSE_PAGE_TOKEN", "short")
    with pytest.raises(UsageError, match="16 characters"):
        required_token("::1")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("STILLHOUSE_PAGE_TOKEN_FILE", str(file))
    assert required_token("0.0.0.0") == TOKEN  # noqa: S104
    monkeypatch.setenv("STILLHOUSE_PAGE_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be read"):
        required_token("127.0.0.1")
    file.write_text("\n")
    monkeypatch.setenv("STILLHOUSE_PAGE_TOKEN_FILE", str(file))
    with pytest.raises(UsageError, match="16 characters"):
        required_token("0.0.0.0")  # noqa: S104


def test_loopback_is_what_only_this_machine_reaches() -> None:
    """Numbers of loopback are, names that could be anything are not."""
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")))  # noqa: S104


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """A port that another server listens on is a usage error with a command, no traceback."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="cannot be listened on"):
            serve(Settings(home=tmp_path), "127.0.0.1", taken.getsockname()[1], print)
