"""Commands that make new video, `stillhouse generate APPLICATION`: each runs that flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flows.endings import DryRun, Json, finish, show_plan

if TYPE_CHECKING:
    from flows.console import Console

Select = Annotated[
    str, typer.Option(help="SQL giving clip_id, and camera_id if only some are wanted.")
]
EVERY_CLIP = "select clip_id from current_clips"
Model = Annotated[
    str | None, typer.Option(help="models:/NAME@ALIAS or models:/NAME/VERSION; the champion.")
]
Codec = Annotated[str, typer.Option(help="libx264, libx265, libsvtav1, or ffv1 for no loss.")]
Crf = Annotated[int | None, typer.Option(help="Lower is better and larger.", min=0, max=63)]
PixelFormat = Annotated[str, typer.Option(help="Such as yuv420p, yuv444p, yuv420p10le.")]


class Applications(TyperGroup):
    """Says of an application that is not there what the flow says, in JSON if asked."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - typer has a click of its own
        """Return a command by its name."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            from tasks.applications.catalogue import application_of

            application_of(cmd_name, {})
        return found


app = typer.Typer(
    cls=Applications,
    help="Make new video from a selection of clips. Every application keeps timing and sound, "
    "and each video's lineage and measured quality is a row of the table generations.\n\n"
    "Example: stillhouse generate super-resolution --input-side 144",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.command("super-resolution")
def super_resolution(
    context: typer.Context,
    select: Select = EVERY_CLIP,
    model: Model = None,
    input_side: Annotated[
        int | None,
        typer.Option(help="Bring the source down to this shorter side first, and compare.", min=16),
    ] = None,
    codec: Codec = "libx264",
    crf: Crf = None,
    pixel_format: PixelFormat = "yuv420p",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make every chosen camera larger and sharper, with the promoted model.

    Example: stillhouse generate super-resolution --select
    "select clip_id from current_clips where split = 'heldout'" --input-side 144
    """
    options = {"input_side": input_side}
    encoding = {"codec": codec, "crf": crf, "pixel_format": pixel_format}
    run(context.obj, "super-resolution", select, model, options, encoding, dry_run, as_json)


@app.command("action")
def action(
    context: typer.Context,
    select: Select = EVERY_CLIP,
    model: Model = None,
    least_score: Annotated[
        float, typer.Option(help="Name nothing that is less likely than this.", min=0, max=1)
    ] = 0.0,
    codec: Codec = "libx264",
    crf: Crf = None,
    pixel_format: PixelFormat = "yuv420p",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Tell what happens in every clip from its codes, and draw it with box and skeleton.

    Rows of the table actions hold it. Labels come by `stillhouse label`, the model by `distill
    --model action`.

    Example: stillhouse generate action --model models:/action/1
    """
    options = {"least_score": least_score}
    encoding = {"codec": codec, "crf": crf, "pixel_format": pixel_format}
    run(context.obj, "action", select, model, options, encoding, dry_run, as_json)


def run(
    console: Console,
    application: str,
    select: str,
    model: str | None,
    options: dict[str, Any],
    encoding: dict[str, Any],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the videos, or say which would be made."""
    settings = console.settings(runs=True)
    if dry_run:
        from flows.standing import generate_plan

        plan = generate_plan(settings, application, select, model, options, encoding)
        show_plan(console, f"generate {application}", plan, as_json=as_json)
        return
    from flows.generate import generate as flow

    found = flow(application, select, model, options, encoding, console.home)
    finish(console, f"generate {application}", found, as_json=as_json)
