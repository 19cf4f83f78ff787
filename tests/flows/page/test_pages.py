"""Every page over a home whose contents are known: what it shows, and that nothing is markup."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from page_home import HOSTILE, TAKE, PageHome, make_home
from starlette.testclient import TestClient

from catalog.span import SECOND_NS
from flows.page.app import make_app
from flows.page.home_site import Paging
from infra import registry
from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = "http://127.0.0.1:8410"
PAGES = [
    "/",
    "/sessions",
    "/sessions?q=take&kind=rig&split=train&clock=measured",
    "/sessions/take",
    "/sessions/in-zip",
    "/clips/take-0",
    "/quarantine",
    "/quarantine?stage=ingest&reason=empty_file",
    "/runs",
    "/runs?flow=ingest",
    "/runs/run-1",
    "/generations",
    "/generations/made",
    "/generations/outside",
    "/models",
    "/search",
    "/sql",
    "/sql?q=select+*+from+quarantine",
    "/map",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> PageHome:
    """A home of known contents; tests that change it take their own."""
    return make_home(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def client(home: PageHome) -> Iterator[TestClient]:
    """A browser without scripts."""
    with TestClient(make_app(home.settings), BASE) as made:
        yield made


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole_and_show_names_as_text(client: TestClient, path: str) -> None:
    """Every page answers, is complete, and what a name holds is never markup in it."""
    found = client.get(path)
    assert found.status_code == 200, found.text
    assert found.text.rstrip().endswith("</html>")
    assert "<script>" not in found.text
    assert found.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_landmarks_labels_and_texts_for_pictures(client: TestClient, path: str) -> None:
    """One h1, one main, a skip link, alt on pictures, names for fields, nothing inline."""
    text = client.get(path).text
    assert len(re.findall(r"<h1\b", text)) == len(re.findall(r"<main\b", text)) == 1
    assert '<a class="skip" href="#main">' in text
    assert '<html lang="en">' in text
    assert all(" alt=" in tag for tag in re.findall(r"<img\b[^>]*>", text))
    assert not re.search(r"\bstyle=|\bon\w+=", re.sub(r">[^<]*<", "><", text))
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', text)) <= set(ids)


def test_the_overview_counts_what_is_there(client: TestClient) -> None:
    """Sessions, clips and refusals are those of the catalog; hostile names are escaped."""
    text = client.get("/").text
    assert '<a href="/sessions">5</a>' in text
    assert '<a href="/quarantine">60</a>' in text
    assert "32.00 s of video in 8 recordings of 5 sessions, 1 of them" in text
    assert "take &lt;script&gt;" in text


def test_filters_leave_what_they_say(client: TestClient) -> None:
    """A filter's page shows its sessions and their number; one that leaves none says so."""
    text = client.get("/sessions?q=TAKE").text
    assert "1 session<" in text
    assert "/sessions/take" in text
    assert "/sessions/old" not in text
    assert "No session is so." in client.get("/sessions?q=nowhere").text


def test_pages_of_a_list_follow_each_other(client: TestClient) -> None:
    """60 refusals are three pages, each linked with its filter kept, none of them empty."""
    seen: list[str] = []
    path: str | None = "/quarantine?stage=ingest"
    while path:
        text = client.get(path).text
        seen += re.findall(r"<td>(bad\d+)\.mp4", text)
        after = re.search(r'rel="next" href="([^"]+)"', text)
        path = "/quarantine" + after[1].replace("&amp;", "&") if after else None
        assert path is None or "stage=ingest" in path
    assert seen == [f"bad{k}" for k in reversed(range(60))]


def test_paging_beyond_the_end_is_an_empty_page(client: TestClient) -> None:
    """A page that is not there is no fault."""
    for page in (99, 1 << 31):
        assert client.get(f"/quarantine?page={page}").status_code == 200
        assert client.get(f"/sessions?page={page}&q=e").status_code == 200
    assert Paging(3, total=50).more(25) is False


def test_a_session_shows_its_cameras_on_one_clock(client: TestClient) -> None:
    """Each camera is a video with its offset; what browsers do not play says why."""
    text = client.get("/sessions/take").text
    assert re.findall(r'data-offset-ms="([\d.]+)"', text) == ["0.0", "500.0", "240.0", "0.0"]
    assert re.findall(r'<video src="/media/recordings/([^"#]+)', text) == list(TAKE)
    old = client.get("/sessions/old").text
    assert "<video" not in old
    assert "browsers do not decode mpeg4 in mp4" in old
    assert "compressed in an archive" in client.get("/sessions/in-zip").text
    assert "<video" in client.get("/sessions/in-tar").text


def test_a_generation_stands_beside_its_source(client: TestClient) -> None:
    """The source plays from where the generation began; what was measured is shown as text."""
    text = client.get("/generations/made").text
    assert "/media/recordings/left#t=1.0" in text
    assert "/media/generations/made" in text
    assert "31.25" in text
    assert "&lt;script&gt;" in text


def test_refused_versions_show_their_gates(home: PageHome, client: TestClient) -> None:
    """A version that a gate refused is called so, with the gate's value and threshold."""
    from registered_models import register_depth

    version = register_depth(home.settings, "page")
    gates = [
        {"name": "beats", "value": 0.31, "threshold": 0.3, "passed": False, "said": HOSTILE},
        {"name": "whole", "value": None, "threshold": 1.0, "passed": True, "said": ""},
    ]
    registered = registry.version_info(home.settings, "depth", version)
    registry.record_gates(home.settings, registered, gates)
    client.app._app.state.models._until = 0  # what it kept of before
    text = client.get("/models").text
    assert "refused by 1 gate" in text
    assert "<script>" not in text
    assert "0.31" in text
    assert "not measured" in text


def test_the_map_is_shown_once_somebody_draws_it(tmp_path: Path) -> None:
    """A picture in HOME/maps stands on the page and in the menu; without one nothing does."""
    client = TestClient(make_app(Settings(home=tmp_path)), BASE)
    assert 'href="/map"' not in client.get("/").text
    assert client.get("/pictures/map").status_code == 404
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "codes.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    assert 'href="/map"' in client.get("/").text
    assert client.get("/pictures/map").headers["content-type"].startswith("image/svg+xml")


def test_an_empty_home_says_what_to_run(tmp_path: Path) -> None:
    """Before the first ingest every page answers, and the first names the command."""
    client = TestClient(make_app(Settings(home=tmp_path)), BASE)
    assert "stillhouse ingest FOLDER" in client.get("/").text
    for path in ("/sessions", "/quarantine", "/runs", "/generations", "/models"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/sessions/nobody", "/clips/x' or '1'='1", "/runs/..%2f..", "/generations/%00", "/nowhere"],
)
def test_what_is_not_there_is_a_page_that_says_so(client: TestClient, path: str) -> None:
    """An unknown or hostile id is 404 with a way back, whatever it holds."""
    found = client.get(path)
    assert found.status_code == 404
    assert '<a href="/">To the catalog</a>' in found.text


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=99999999999999999999", f"q={'x' * 300}"]
)
def test_impossible_parameters_are_refused(client: TestClient, query: str) -> None:
    """A page number that is none, or a filter without end, is 400 and no fault of ours."""
    assert client.get(f"/sessions?{query}").status_code == 400


def test_a_commit_shows_on_the_next_page(tmp_path: Path) -> None:
    """What a run commits is there without a restart."""
    home = make_home(tmp_path)
    client = TestClient(make_app(home.settings), BASE)
    assert "run-2" not in client.get("/runs").text
    home.commit("runs", {"flow_run_id": "run-2", "flow": "extract", "started_ns": SECOND_NS})
    for _ in range(100):
        text = client.get("/runs").text
        if "run-2" in text:
            break
    assert "run-2" in text


def test_plain_pages_need_no_engine(tmp_path: Path) -> None:
    """To show the catalog neither torch, Ray, Prefect, MLflow, OpenCV nor a decoder is loaded."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from starlette.testclient import TestClient\n"
        "from flows.page.app import make_app\n"
        "from infra.settings import Settings\n"
        f"app = make_app(Settings(home=Path({str(tmp_path)!r})))\n"
        f"client = TestClient(app, {BASE!r})\n"
        "for path in ('/', '/sessions', '/runs', '/quarantine', '/sql?q=from+runs'):\n"
        "    assert client.get(path).status_code == 200, path\n"
        "print(*sorted({'torch', 'ray', 'prefect', 'mlflow', 'cv2', 'av'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
