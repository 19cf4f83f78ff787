"""SQL and search on the page: what a stranger types reads the snapshot, soon ends, and is text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from page_home import PageHome, make_home
from starlette.testclient import TestClient

from flows.page import asking
from flows.page.app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "http://127.0.0.1:8410"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> PageHome:
    """A home of known contents."""
    return make_home(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def client(home: PageHome) -> Iterator[TestClient]:
    """A browser without scripts."""
    with TestClient(make_app(home.settings), BASE) as made:
        yield made


def test_a_statement_shows_its_rows(client: TestClient) -> None:
    """Columns and rows stand in a table; an answer that is cut says so."""
    found = client.get("/sql?q=" + quote("from quarantine select reason, count(*) as n group by 1"))
    assert found.status_code == 200
    assert '<td>not_a_video</td><td class="n">40</td>' in found.text
    text = client.get("/sql?q=select+*+from+range(1000)").text
    assert f"the first {asking.SQL_ROWS} rows" in text


def test_a_column_that_comes_twice_keeps_both(client: TestClient) -> None:
    """Two columns of one name are two columns."""
    text = client.get("/sql?q=select+1+as+a,+2+as+a").text
    assert '<td class="n">1</td><td class="n">2</td>' in text


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "select * from glob('/etc/*')",
        "from '/etc/passwd'",
        "copy clips to '/tmp/stolen.csv'",
        "attach '/tmp/x.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "pragma database_list",
        "create table x as select 1",
        "drop view clips",
        "select 1; drop view clips",
        "insert into clips select * from clips",
        "export database '/tmp/x'",
        "select getenv('HOME')",
        "select * from read_parquet('https://example.org/x.parquet')",
        "call pragma_version()",
        "explain analyze copy clips to '/tmp/stolen.csv'",
    ],
)
def test_statements_that_reach_outside_are_refused(client: TestClient, statement: str) -> None:
    """Files, network, settings and writing are refused with a sentence, and the page goes on."""
    found = client.get(f"/sql?q={quote(statement)}")
    assert found.status_code == 400
    assert 'role="alert"' in found.text
    assert "root:" not in found.text
    assert client.get("/sql?q=select+42").status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "select 'x' as \"<script>\"",
        "select '<script>' as x",
        "select {'<b>': ['<script>']} as x",
        "<script>",
    ],
)
def test_answers_and_errors_are_text(client: TestClient, statement: str) -> None:
    """Names, values, nested ones, and what the engine says of a mistake are escaped."""
    text = client.get(f"/sql?q={quote(statement)}").text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_statement_without_end_is_stopped(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped by the clock, and memory beyond the limit is refused."""
    monkeypatch.setattr(asking, "SQL_TIMEOUT_S", 0.5)
    endless = "select count(*) from range(100000000000) a, range(1000) b"
    started = time.monotonic()
    found = client.get(f"/sql?q={quote(endless)}")
    assert found.status_code == 400
    assert "was stopped after" in found.text
    assert time.monotonic() - started < 10
    large = "select list(repeat('x', 1000) || i) from range(3000000) t(i)"
    monkeypatch.setattr(asking, "SQL_TIMEOUT_S", 20.0)
    monkeypatch.setattr(asking, "SQL_MEMORY_BYTES", 64 << 20)
    assert client.get(f"/sql?q={quote(large)}").status_code == 400


def test_one_question_at_a_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while a statement runs is told so; pages go on meanwhile."""
    monkeypatch.setattr(asking, "WAIT_S", 0.05)
    turn = client.app._app.state.site.thinking
    turn.acquire()
    try:
        assert client.get("/sql?q=select+1").status_code == 503
        assert client.get("/sessions").status_code == 200
    finally:
        turn.release()
    assert client.get("/sql?q=select+1").status_code == 200


def test_search_says_what_it_lacks(client: TestClient) -> None:
    """Where no code is and no network is here, the page says which command brings it."""
    found = client.get("/search?clip=take-0")
    assert found.status_code == 400
    assert "stillhouse reindex" in found.text
    assert client.get("/search?text=a+person").status_code == 400
    assert client.get(f"/search?clip={'x' * 200}").status_code == 400


def test_search_by_clip_ranks_by_codes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Clips come nearest first with a picture and a link, and not the one that was asked with."""
    home = make_home(tmp_path_factory.mktemp("codes"))
    from catalog.query import rows
    from catalog.store import Catalog

    given = {
        row["clip_id"]: row["given"]
        for row in rows(Catalog(home.settings.catalog).snapshot(), "clip_givens")
    }
    home.commit("code_versions", {"model": "distiller", "version": "v", "chosen_ns": 1})
    angles = {"take-0": 0.0, "take-1": 0.9, "old-0": 0.3}
    home.commit(
        "codes",
        *[
            {
                "code_id": clip,
                "clip_id": clip,
                "session_id": clip.split("-")[0],
                "model": "distiller",
                "version": "v",
                "given": given[clip],
                "seen": 1,
                "start_ns": 1_000_000_000,
                "end_ns": 2_000_000_000,
                "embedding": [float(a) for a in ((1 - x * x) ** 0.5, x)],
            }
            for clip, x in angles.items()
        ],
    )
    client = TestClient(make_app(home.settings), BASE)
    found = client.get("/search?clip=take-0")
    assert found.status_code == 200, found.text
    assert found.text.index("/clips/old-0") < found.text.index("/clips/take-1")
    assert "/clips/take-0" not in found.text
    assert "/pictures/recordings/old/" in found.text
    elsewhere = client.get("/search?clip=take-0&elsewhere=true").text
    assert "/clips/take-1" not in elsewhere
    assert "/clips/old-0" in elsewhere
