"""The command `stillhouse distill`: train a model, or refine what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.endings import DryRun, Json, finish, show_plan

if TYPE_CHECKING:
    from flows.console import Console

METHODS = (
    "Refine stored codes instead: refine (the best of them), gradient, annealing, cold, greedy or "
    "iterated-greedy; or coreset."
)


def distill(
    context: typer.Context,
    preset: Annotated[str, typer.Option(help="ci (a minute), laptop (minutes), gpu.")] = "laptop",
    model: Annotated[
        str,
        typer.Option(
            help="super-resolution (-x4, -references), distiller, depth, manifold, student, "
            "style, synthesis, action."
        ),
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
            finish(console, "refine", found, as_json=as_json)
        else:
            show_plan(console, "refine", found, as_json=as_json)
        return
    from flows.demo_report import judged_text
    from flows.distill import distill as flow

    found = flow(preset, console.home, model, resume=resume, teacher=teacher)
    text = console.ledger("distill", found) + "\n" + judged_text(console, found)
    console.answer(found, as_json=as_json, text=text)
