"""The command `stillhouse`: what people and schedulers type.

Heavy libraries are imported inside the commands, so `--help` answers in under half a second.
With `--json` a command prints exactly one JSON object, last, on stdout; all else goes to stderr.
Exit codes: 0 all done, 3 done with quarantine, 1 failed, 2 usage.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from flows import (
    cli_deploy,
    cli_export,
    cli_label,
    cli_page,
    cli_questions,
    cli_runs,
    cli_search,
)
from flows.console import Console

app = typer.Typer(
    name="stillhouse",
    help="Distils video archives: many cameras and views into one code, and new video from it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Start with [bold]stillhouse demo[/bold], or [bold]stillhouse ingest FOLDER[/bold].",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"stillhouse {version('stillhouse')}")
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="Where catalog, models and assets live.", envvar="STILLHOUSE_HOME"),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    context.obj = Console(home)


cli_runs.add_to(app)
cli_label.add_to(app)
cli_export.add_to(app)
cli_search.add_to(app)
cli_deploy.add_to(app)
cli_questions.add_to(app)
cli_page.add_to(app)


def main() -> None:
    """Run the command; an error of ours ends as one sentence, a command that helps, a code."""
    from infra.errors import StillhouseError

    try:
        app(standalone_mode=True)
    except StillhouseError as error:
        sys.exit(Console.refuse(error))
    except KeyboardInterrupt:
        Console.say("stopped; run the same command again to go on")
        sys.exit(130)


if __name__ == "__main__":
    main()
