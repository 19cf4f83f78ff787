"""A page a command, of the typer application itself: usage, options, examples, JSON fields.

Reads `flows.cli` and `docs/json_answers.toml`, which a test holds against what commands print.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from flows.cli import app
from generators.markdown import Pages, code, literal, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = Path(__file__).parents[1] / "json_answers.toml"
FOLDER = "reference/commands"
DRY_RUN = "--dry-run"


def walk() -> Iterator[tuple[str, Any]]:
    """Yield every command, such as `generate edit`, and the group `generate`, by name."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        yield name, command
        for inner, one in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", one


def pages() -> Pages:
    """Return a page of each command, and one that lists them."""
    answers = tomllib.loads(ANSWERS.read_text("utf-8"))
    found = {}
    rows = []
    for name, command in walk():
        path = f"{FOLDER}/{slug(name)}.md"
        found[path] = page(name, command, answers)
        summary = command.help.partition("\n")[0]
        rows.append((f"[{name}](/{path})", plain(summary)))
    root: Any = typer.main.get_command(app)
    every = [row for row in _options(root, "stillhouse") if row[0].startswith("`--")]
    found[f"{FOLDER}/index.md"] = "\n".join(
        [
            "# Commands\n",
            (
                "Each has `--help` with an example. With `--json` a command prints exactly one "
                "JSON object, last, on stdout; everything else goes to stderr.\n"
            ),
            table(("command", "what it does"), rows),
            "Before the command's name stands what holds for all:\n",
            table(("option", "what it is"), every),
            "## Exit codes\n",
            table(
                ("code", "means"),
                [
                    (0, "all done"),
                    (3, "done, and something was refused: `stillhouse show quarantine`"),
                    (1, "failed, refused by a gate, or something is left to do"),
                    (2, "the request itself is wrong"),
                    (130, "stopped by Ctrl-C; the same command goes on"),
                ],
            ),
            (
                "An error of ours is one sentence and a command that helps. With `--json` it is "
                "one object too:\n"
            ),
            table(("field", "what it is"), _fields(answers["error"])),
            _toctree(slug(name) for name, _ in walk()),
        ]
    )
    return found


def slug(name: str) -> str:
    """Return a command's name as that of a file."""
    return name.replace(" ", "-")


def page(name: str, command: Any, answers: dict[str, Any]) -> str:  # noqa: ANN401 - typer's own
    """Return the page of one command."""
    prose, examples = split_help(command.help)
    parts = [f"# stillhouse {name}\n", plain_prose(prose), ""]
    if examples:
        parts += ["## Example\n", code("\n".join(examples), "console")]
    options = _options(command, name)
    if options:
        parts += ["## Arguments and options\n", table(("name", "what it is"), options)]
    inner = getattr(command, "commands", None)
    if inner:
        rows = [
            (
                f"[{name} {key}](/{FOLDER}/{slug(f'{name} {key}')}.md)",
                plain(one.help.split("\n")[0]),
            )
            for key, one in inner.items()
        ]
        parts += ["## Applications\n", table(("command", "what it makes"), rows)]
    for key in answers:
        if key == name or key.startswith((f"{name} -", f"{name} clip")):
            parts += [f"## {title_of(name, key)}\n"]
            parts += [table(("field", "what it is"), fields_of(key, answers))]
    if name.startswith("generate "):
        parts += [f"Its JSON is that of [every application](/{FOLDER}/generate.md#json).\n"]
    return "\n".join(parts)


def title_of(name: str, key: str) -> str:
    """Return the heading of an answer: of the command itself, or with certain options."""
    rest = key.removeprefix(name).strip()
    return {"": "JSON", DRY_RUN: "JSON of a dry run"}.get(rest, f"JSON with {rest}")


def split_help(text: str) -> tuple[str, list[str]]:
    """Return what a command's docstring says, and its examples, one a line."""
    prose, _, tail = re.sub(r"\n?Examples?:\s*", "\0", text).partition("\0")
    # An example may go on in the next line; a new one begins with the command's name.
    lines = re.split(r"[;\n]\s*(?=stillhouse )|\n\n", tail.strip())
    return prose.strip(), [" ".join(line.split()) for line in lines if line.strip()]


def plain_prose(prose: str) -> str:
    """Return prose with code kept as code, and nothing else taken for markup."""
    parts = re.split(r"(`[^`]+`)", prose)
    return "".join(part if part.startswith("`") else plain(part) for part in parts)


def fields_of(key: str, answers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of an answer and what they mean, those of the ledger first."""
    own = dict(answers[key])
    shared = _fields(answers["ledger"]) if own.pop("ledger", False) else []
    return shared + _fields(own)


def _fields(found: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (literal(name.removesuffix("?")), doc + (" (not always there)" if name[-1] == "?" else ""))
        for name, doc in found.items()
    ]


def _options(command: Any, name: str) -> list[tuple[str, str]]:  # noqa: ANN401 - typer's own
    context = command.context_class(command, info_name=name)
    rows = []
    for one in command.params:
        record = one.get_help_record(context)
        if record is not None:
            rows.append((literal(record[0]), plain(record[1])))
    return rows


def _toctree(names: Iterator[str]) -> str:
    return code("\n".join([":hidden:", "", *names]), "{toctree}")
