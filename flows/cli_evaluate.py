"""The command evaluate: a model version on held-out footage, as it is or damaged."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.console import Console, exit_code
from flows.endings import Json

DryRun = Annotated[bool, typer.Option("--dry-run", help="Count the cells, and those missing.")]


def evaluate(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="super-resolution, distiller or depth.")] = (
        "super-resolution"
    ),
    version: Annotated[
        int | None, typer.Option(help="The newest that was not rolled back, if not given.")
    ] = None,
    robustness: Annotated[
        str | None, typer.Option(help="Under damage: core (27 cells) or full (every corruption).")
    ] = None,
    corruptions: Annotated[
        str, typer.Option(help="With --robustness: some of them, such as gauss,h264.")
    ] = "",
    severities: Annotated[str, typer.Option(help="With --robustness: some of 1,2,3,4,5.")] = "",
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="With --robustness: windows (or clips) of a session."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --robustness: processes; one a core.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Judge a model version on the held-out footage of now, as it is or damaged; move nothing.

    With --robustness every cell (a corruption at a severity) is judged once and kept in the table
    robustness; heat maps go to the version's MLflow run, and promotion holds its gates against
    what was measured with the usual number of windows.

    Example: stillhouse evaluate --model distiller --robustness core
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    from flows.evaluate_report import Asked, evaluation_text, names_of, numbers_of, require_asked

    asked: Asked = {
        "robustness": robustness,
        "corruptions": names_of(corruptions),
        "severities": numbers_of(severities),
        "windows": windows,
    }
    # Before a flow is started, which takes 7 s.
    require_asked(asked)
    if dry_run:
        from flows.evaluate import evaluate_plan

        plan = evaluate_plan(settings, model, version, asked)
        rows = [(name.replace("_", " "), value) for name, value in plan.items()][1:]
        text = console.table("evaluate would, nothing done yet", ("what", "how much"), rows)
        console.answer(plan, as_json=as_json, text=text)
        return
    from flows.evaluate import evaluate as flow

    found = flow(model, version, console.home, workers=workers, **asked)
    console.answer(found, as_json=as_json, text=evaluation_text(console, found))
    raise typer.Exit(exit_code(found))
