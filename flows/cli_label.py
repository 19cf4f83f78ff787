"""The command `stillhouse label`: says what happens in recordings, for `distill --model action`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.endings import DryRun, Json, finish, show_plan

if TYPE_CHECKING:
    from flows.console import Console


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(label)


def label(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON lines or Parquet: session, recording or clip (name or id), label, "
            "and if wanted camera, start_s, end_s (seconds on the session's clock)."
        ),
    ],
    withdraw: Annotated[
        bool, typer.Option(help="What the file says was wrong: it no longer holds.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Say what happens in recordings: each row of a file labels a session, recording or clip.

    What cannot be used is refused row by row, with its reason. Then: distill --model action.

    Examples: stillhouse label actions.csv --dry-run; stillhouse label wrong.csv --withdraw
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    if dry_run:
        from tasks.labels.labelling import plan_labels
        from tasks.runs.record import FlowRun

        run = FlowRun("label", settings)
        plan = plan_labels.fn(file, run, withdraw=withdraw).summary()
        show_plan(console, "label", {**plan, "dry_run": True}, as_json=as_json)
        return
    from flows.label import label as flow

    finish(console, "label", flow(str(file), console.home, withdraw=withdraw), as_json=as_json)
