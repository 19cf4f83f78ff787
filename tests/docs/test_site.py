"""The site of documentation: built without a warning, whole, and it asks nothing of the network."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site builder is not here: pip install -e '.[docs]'")

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs"))

from generators import assembly, commands, making, tables, views  # noqa: E402
from generators.decisions import SOURCE  # noqa: E402
from generators.links import faults  # noqa: E402
from generators.pictures import DRAWINGS  # noqa: E402

from catalog.schemas.registry import TABLES  # noqa: E402
from catalog.table import describe  # noqa: E402
from tasks.applications.catalogue import APPLICATIONS  # noqa: E402
from tasks.training.recipes import RECIPES  # noqa: E402
from tasks.views.catalogue import RIG_VIEWS, VIEWS  # noqa: E402


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: strict, in a process of its own."""
    folder = tmp_path_factory.mktemp("docs")
    ran = subprocess.run(
        [sys.executable, "docs/build.py", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "site"


def text(page: Path) -> str:
    """Return what a page says, without its tags."""
    return unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


def test_every_command_has_a_page_with_all_its_options(site: Path) -> None:
    """What `--help` lists is there, in the command's own words."""
    for name, command in commands.walk():
        page = text(site / commands.FOLDER / f"{commands.slug(name)}.html")
        for option in command.params:
            assert option.opts[0] in page, f"{name}: {option.opts[0]}"
            assert not option.help or option.help.split("`")[0][:40] in page
        assert command.name == "generate" or "$ stillhouse" in page or "stillhouse" in page


def test_every_column_of_every_table_is_there(site: Path) -> None:
    """With its type and its meaning, as declared."""
    for name, table in TABLES.items():
        page = text(site / tables.FOLDER / f"{name}.html")
        for column in describe(table):
            assert column.name in page
            assert column.doc in page, f"{name}.{column.name}"


def test_every_view_application_and_model_names_its_decision() -> None:
    """None is left out, and none is told of that is not there."""
    assert set(views.DECISIONS) == {*VIEWS, *RIG_VIEWS}
    assert set(making.APPLICATION_DECISIONS) == set(APPLICATIONS)
    assert set(making.MODEL_DECISIONS) == set(making.PRESETS) == set(RECIPES)


def test_every_decision_has_its_page(site: Path) -> None:
    """They are put in when the site is built; none is copied in the repository."""
    for file in SOURCE.glob("[0-9]*.md"):
        assert (site / "decisions" / f"{file.stem}.html").exists()
    assert not list((ROOT / "docs").rglob("[0-9][0-9][0-9][0-9]-*.md"))


def test_pages_that_others_add_find_their_place(site: Path) -> None:
    """A file laid into a folder of pages is in the navigation without an edit."""
    home = (site / "index.html").read_text("utf-8")
    for folder in ("operations", "guides"):
        for page in (ROOT / "docs" / folder).glob("*.md"):
            assert f'href="{folder}/{page.stem}.html"' in home


def test_words_of_drawings_stay_in_their_boxes() -> None:
    """By the width of a letter, on the wide side."""
    for name, draw in DRAWINGS.items():
        for words, wide, room in draw().fits:
            assert wide <= room, f"{name}: {words!r} takes {wide:.0f} px of {room:.0f}"


def test_what_leads_nowhere_or_elsewhere_is_found(tmp_path: Path) -> None:
    """A missing file, a missing anchor, a script of the internet, a style that imports."""
    (tmp_path / "one.html").write_text(
        '<p id="here"></p><a href="two.html">x</a><a href="#there">x</a><a href="#here">x</a>'
        '<a href="https://example.org">may be clicked</a><script src="https://example.org/x.js">'
    )
    (tmp_path / "one.css").write_text("@import url(https://example.org/font.css)")
    found = faults(tmp_path)
    assert len(found) == 4
    assert any("two.html" in one for one in found)
    assert any("#there" in one for one in found)


def test_a_page_that_asks_for_what_is_not_there_is_refused() -> None:
    """The message names the page; a link to a page of the repository is one to that of the site."""
    with pytest.raises(assembly.PageError, match="nothing makes 'gold'"):
        assembly.fitted("a.md", "<!-- made: gold -->")
    with pytest.raises(assembly.PageError, match=r"docs/a\.md links to gone\.md"):
        assembly.fitted("a.md", "see [more](gone.md#there)")
    told = assembly.fitted("a.md", "see [the code](../tasks/decode.py)")
    assert told == "see the code"
    told = assembly.fitted("guides/a.md", "[why](../../infra/decisions/0002-a-log-of-files.md#x)")
    assert told == "[why](/decisions/0002-a-log-of-files.md#x)"
    assert assembly.fitted("a.md", "```\n[no](link.md)\n```") == "```\n[no](link.md)\n```"


def test_numbers_of_capacity_were_printed(site: Path) -> None:
    """Each stands in the README, `measured.md` or a decision, with the command that printed it."""
    del site
    told = (ROOT / "README.md").read_text("utf-8")
    told += "".join(file.read_text("utf-8") for file in SOURCE.glob("*.md"))
    told += (ROOT / "docs" / "measured.md").read_text("utf-8")
    page = (ROOT / "docs" / "operations" / "capacity.md").read_text("utf-8")
    for row in re.findall(r"^\| [^|]+\| `([^`]+)` \|", page, re.MULTILINE):
        assert row in told, row


def test_search_works_without_a_server(site: Path) -> None:
    """The index is a script of the site: words of generated pages are in it."""
    index = (site / "searchindex.js").read_text("utf-8")
    assert "quarantin" in index
    assert "reference/tables/features" in index
