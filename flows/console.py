"""How the command speaks: tables for people, one JSON object for programs, sentences for errors.

Writes to stdout (the answer) and stderr (everything else).
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

from infra.log_lines import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from infra.errors import StillhouseError
    from infra.settings import Settings

LEDGER_COLUMNS = ("inputs", "done", "cached", "quarantined", "failed", "pending")


class Console:
    """One invocation of the command: its home, and how it prints."""

    def __init__(self, home: Path | None) -> None:
        self._home = home

    def settings(self, *, runs: bool = False) -> Settings:
        """Load the settings and prepare this process, before Prefect, Ray or MLflow come in.

        A command that runs a flow says so: its home must be there and have room.
        """
        from pydantic import ValidationError

        from infra.errors import UsageError
        from infra.observability import start_logging
        from infra.settings import load_settings

        try:
            settings = load_settings(self._home)
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(
                f"STILLHOUSE_{str(first['loc'][0]).upper()} is not valid: {first['msg']}.",
                command="stillhouse doctor",
            ) from error
        settings.prepare_process()
        start_logging(form=settings.log_format)
        if runs:
            settings.prepare_home()
        return settings

    @property
    def home(self) -> str | None:
        """The home that was asked for, as flows take it."""
        return str(self._home) if self._home else None

    def answer(self, found: Mapping[str, Any], *, as_json: bool, text: str | None = None) -> None:
        """Print the one JSON object, or the text made for people."""
        if as_json:
            typer.echo(json.dumps(found, default=str, allow_nan=False))
        elif text:
            typer.echo(text.rstrip("\n"))

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        numbers: Sequence[str] = (),
    ) -> str:
        """Return a table as text, as wide as it needs on a terminal and in a file alike."""
        from rich.console import Console as Rich
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for name in columns:
            table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
        for row in rows:
            table.add_row(*[_cell(value) for value in row])
        # A file or a pipe has no width: nothing is cut there.
        rich = Rich(width=None if sys.stdout.isatty() else 400, highlight=False)
        with rich.capture() as captured:
            rich.print(table)
        # The title is a line of its own: as a table's title it would be folded to its width.
        lines = [title, *captured.get().splitlines()] if title else captured.get().splitlines()
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def ledger(self, title: str, report: Mapping[str, Any]) -> str:
        """Return one flow run's counts as text."""
        return self.stages({title: report})

    def stages(self, reports: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the counts of several flow runs, one a line, which add up from left to right."""
        columns = ("stage", *LEDGER_COLUMNS, "seconds", "peak memory")
        rows = [
            (
                name,
                *(report[column] for column in LEDGER_COLUMNS),
                f"{report['seconds']:.1f}",
                f"{report['peak_rss_bytes'] / 2**30:.2f} GiB",
            )
            for name, report in reports.items()
        ]
        return self.table(
            "inputs = done + cached + quarantined + failed + pending",
            columns,
            rows,
            numbers=columns[1:],
        )

    @staticmethod
    def say(sentence: str) -> None:
        """Print a line for people on stderr."""
        typer.echo(sentence, err=True)

    @staticmethod
    def refuse(error: StillhouseError) -> int:
        """Print an error of ours, in JSON too if that was asked for, and return its exit code."""
        # What was asked for may hold a password, and a terminal's lines are kept too.
        said, command = redacted(str(error)), error.command and redacted(error.command)
        typer.echo(f"error: {said}", err=True)
        if command:
            typer.echo(f"try:   {command}", err=True)
        if "--json" in sys.argv:
            found = {"error": type(error).__name__, "message": said, "command": command}
            typer.echo(json.dumps(found))
        return error.exit_code


def exit_code(report: Mapping[str, Any]) -> int:
    """Return 0 all done, 3 done with quarantine, 1 something failed or is left."""
    if report["failed"] or report["pending"]:
        return 1
    return 3 if report["quarantined"] else 0


def _cell(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return escape(text if len(text) <= 100 else text[:97] + "...")
