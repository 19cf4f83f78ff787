"""The page in a real browser: headless Chromium, driven by Playwright (extra `browser`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from footage import RATE, moving
from page_home import TAKE, PageHome, make_home

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="no browser tests without the extra `browser` (playwright)"
)
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no browser tests without Chromium: apt-get install chromium"
    ),
]
PAGES = [
    "/",
    "/sessions",
    "/sessions/take",
    "/sessions/old",
    "/clips/take-0",
    "/quarantine",
    "/runs",
    "/runs/run-1",
    "/generations",
    "/generations/made",
    "/models",
    "/search",
    "/sql?q=select+*+from+quarantine",
    "/nowhere",
]
# What one video shows, as red, green and blue of every pixel.
PIXELS = """(number) => {
    const video = document.querySelectorAll("video")[number];
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const drawn = canvas.getContext("2d");
    drawn.drawImage(video, 0, 0);
    const found = drawn.getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.height, canvas.width, Array.from(found.data)];
}"""
SETTLED = """() => [...document.querySelectorAll("video")].every(
    (video) => video.readyState >= 2 && !video.seeking)"""
# Where each camera stands, as a time of the session, in ms.
TIMES = """() => document.querySelector(".player").player.cameras.map(
    (camera) => camera.video.currentTime * 1000 + camera.offset)"""
NOW = '() => document.querySelector(".player").player.now'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> PageHome:
    """A home of known contents."""
    return make_home(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def address(home: PageHome) -> Iterator[str]:
    """The address of `stillhouse page` over that home, on a free port."""
    command = [sys.executable, "-m", "flows.cli", "--home", str(home.settings.home), "page"]
    with subprocess.Popen(
        [*command, "--port", "0"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        yield server.stderr.readline().split()[0].rstrip("/")
        server.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    # As root its own sandbox cannot be made; all it opens is ours.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:  # noqa: ANN401
    """A window, in which nothing may fail or be blocked."""
    yield from _window(chromium, address, viewport={"width": 1280, "height": 900})


def _window(chromium: Any, address: str, **how: Any) -> Iterator[Any]:  # noqa: ANN401
    context = chromium.new_context(base_url=address, **how)
    window = context.new_page()
    faults: list[str] = []
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield window
    context.close()
    # What is not there (a picture of a file that is gone) is no fault of the page.
    assert [said for said in faults if "Failed to load resource" not in said] == []


def _shown(window: Any, number: int) -> int:  # noqa: ANN401
    """Return which of the frames that were written a video shows."""
    height, width, data = window.evaluate(PIXELS, number)
    picture = np.array(data, np.int64).reshape(height, width, 4)[..., :3]
    return int(np.argmin([np.abs(picture - one).mean() for one in moving()]))


def test_a_person_browses_and_filters_by_keyboard(page: Any) -> None:  # noqa: ANN401
    """Tab reaches the skip link first; a filter is typed and sent; a link opens by Enter."""
    page.goto("/sessions")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to contents"
    page.get_by_label("Name or id").focus()
    page.keyboard.type("take")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=take**")
    assert page.get_by_role("status").inner_text() == "1 session"
    page.get_by_role("link", name="take").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/take")
    assert page.locator("video").count() == len(TAKE)


def test_four_cameras_stand_at_one_instant(page: Any) -> None:  # noqa: ANN401
    """Wherever the slider is put, every video shows the frame of that instant of its own clock."""
    page.goto("/sessions/take")
    page.wait_for_function(SETTLED)
    for at_ms in (1000, 3000, 1520):
        page.locator("input[type=range]").evaluate(
            "(one, t) => { one.value = t; one.dispatchEvent(new Event('input')); }", at_ms
        )
        page.wait_for_function(SETTLED)
        for number, late_ns in enumerate(TAKE.values()):
            truth = (at_ms - late_ns // 1_000_000) * RATE // 1000
            assert abs(_shown(page, number) - truth) <= 1, (at_ms, number)


def test_four_cameras_play_in_step(page: Any) -> None:  # noqa: ANN401
    """While they play, all cameras stay within two frames of one clock; Space stops them there."""
    page.goto("/sessions/take")
    page.wait_for_function(SETTLED)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"() => ({NOW})() > 1400")
    playing = page.evaluate(f"({TIMES})()"), page.evaluate(f"({NOW})()")
    spread = max(playing[0]) - min(playing[0])
    assert spread < 2 * 1000 / RATE, playing
    page.locator("h1").click()
    page.keyboard.press("Space")
    page.wait_for_function(SETTLED)
    now = page.evaluate(f"({NOW})()")
    assert now > 1000
    assert page.evaluate(f"({TIMES})()") == pytest.approx([now] * len(TAKE), abs=1)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(f"({NOW})()") == pytest.approx(now + 1000 / RATE)
    assert page.get_by_role("button", name="Play").is_visible()


def test_a_camera_that_has_not_started_waits(page: Any) -> None:  # noqa: ANN401
    """Before a late camera's first frame it is shown as absent, and plays once it is there."""
    page.goto("/sessions/take")
    page.wait_for_function(SETTLED)
    late = page.locator(".camera").nth(1)
    assert "outside" not in late.get_attribute("class")
    page.keyboard.press("Home")
    assert "outside" in late.get_attribute("class")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => !document.querySelectorAll('.camera')[1].matches('.outside')")


def test_stills_step_where_the_browser_plays_nothing(page: Any) -> None:  # noqa: ANN401
    """A codec no browser decodes is shown as stills that follow the slider, as the page says."""
    page.goto("/sessions/old")
    assert "Shown as stills" in page.locator(".why").inner_text()
    before = page.locator("img.stepped").get_attribute("src")
    page.locator("input[type=range]").focus()
    for _ in range(5):
        page.keyboard.press("PageUp")
    after = page.locator("img.stepped").get_attribute("src")
    assert before != after
    page.wait_for_function("() => document.querySelector('img.stepped').naturalWidth > 0")


def test_a_video_that_fails_becomes_stills(page: Any) -> None:  # noqa: ANN401
    """One that the browser cannot open after all is replaced, and said."""
    page.route("**/media/recordings/right", lambda route: route.abort())
    page.goto("/sessions/take")
    page.wait_for_selector("img.stepped")
    assert page.locator("video").count() == len(TAKE) - 1
    assert page.locator(".camera").nth(1).locator(".why").is_visible()


def test_a_generation_plays_in_step_with_its_source(page: Any) -> None:  # noqa: ANN401
    """The source shows second 1 where the generation shows its first frame."""
    page.goto("/generations/made")
    page.wait_for_function(SETTLED)
    assert [_shown(page, 0), _shown(page, 1)] == pytest.approx([RATE, 0], abs=1)


def test_reasons_and_statements_are_seen(page: Any) -> None:  # noqa: ANN401
    """A person sees why files were refused, and what a statement gives."""
    page.goto("/quarantine")
    page.get_by_role("link", name="not_a_video").first.click()
    assert page.get_by_role("status").inner_text() == "40 refusals"
    page.goto("/sql")
    page.get_by_label("Statement").fill("select 6 * 7 as answer")
    page.get_by_role("button", name="Run").click()
    assert page.get_by_role("cell").inner_text() == "42"


def test_two_palettes_and_any_width(chromium: Any, address: str) -> None:  # noqa: ANN401
    """Dark where the system is dark; no page is wider than a phone."""
    paper: dict[str, int] = {}
    for scheme in ("light", "dark"):
        phone = {"width": 360, "height": 780}
        for window in _window(chromium, address, color_scheme=scheme, viewport=phone):
            for path in PAGES:
                window.goto(path)
                assert window.evaluate("document.documentElement.scrollWidth") <= 360, path
            colour = window.evaluate("getComputedStyle(document.body).backgroundColor")
            paper[scheme] = sum(int(x) for x in colour.strip("rgb()").split(","))
    assert paper["light"] > 700
    assert paper["dark"] < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Any, address: str, scheme: str) -> None:  # noqa: ANN401
    """axe-core finds no violation on any page, contrast included, in either palette."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for window in _window(chromium, address, color_scheme=scheme):
        for path in PAGES:
            window.goto(path)
            window.wait_for_load_state()
            found = axe.run(window).response["violations"]
            said = [(one["id"], [n["html"][:160] for n in one["nodes"]]) for one in found]
            assert said == [], path
