"""What stands in a block of console on any page is a command that there is, with its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from flows.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def typed(page: Path) -> list[str]:
    """Return the lines of a page that begin with a prompt, continued ones joined."""
    blocks = "".join(_BLOCK.findall(page.read_text("utf-8"))).replace("\\\n", " ")
    return [line[2:] for line in blocks.splitlines() if line.startswith("$ ")]


def asked(line: str) -> list[list[str]]:
    """Return the words after `stillhouse` of each such command in a line."""
    found: list[list[str]] = [[]]
    words = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    words.whitespace_split = True
    for word in words:
        if set(word) <= set(";&|"):
            found.append([])
        elif not re.match(r"[A-Z_]+=", word):
            found[-1].append(word)
    return [one[1:] for one in found if one[:1] == ["stillhouse"]]


def parse(words: list[str]) -> None:
    """Parse a command line as the command does, without running it."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="stillhouse")
    while getattr(command, "commands", None):
        name, *words = words
        command = command.commands[name]
        context = command.context_class(command, info_name=name, parent=context)
    command.parse_args(context, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_commands_of_a_page_can_be_typed(page: Path) -> None:
    """Names, options and the number of arguments are right; nothing is run."""
    for line in typed(page):
        for words in asked(line):
            parse(words)


def test_a_command_that_is_not_there_would_be_found() -> None:
    """An option that was renamed fails the page that tells of it."""
    with pytest.raises(KeyError):
        parse(["distil"])
    with pytest.raises(Exception, match="--dry-runs"):
        parse(["ingest", "/archive", "--dry-runs"])
    two = asked("STILLHOUSE_HOME=x stillhouse show runs; stillhouse sql 'select 1; select 2'")
    assert two == [["show", "runs"], ["sql", "select 1; select 2"]]


def test_what_pages_make_can_be_made() -> None:
    """Every `make TARGET` of a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8")):
            assert name in targets or name.endswith("-"), f"{page.name}: make {name}"


def test_the_quick_start_has_enough_to_go_by() -> None:
    """From assets to a schedule, each step is there to be typed."""
    lines = typed(ROOT / "docs" / "quick-start.md")
    first = [words[0] for line in lines for words in asked(line)]
    for step in ("doctor", "assets", "ingest", "extract", "sql", "page", "deploy"):
        assert step in first
