"""Commands that make new video, `stillhouse generate APPLICATION`: each runs that flow."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flows.endings import DryRun, Json, finish, show_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.console import Console

EVERY_CLIP = "select clip_id from current_clips"


def _shared(
    context: typer.Context,
    select: Annotated[
        str, typer.Option(help="SQL giving clip_id, and camera_id if only some are wanted.")
    ] = EVERY_CLIP,
    model: Annotated[
        str | None, typer.Option(help="models:/NAME@ALIAS or models:/NAME/VERSION; the champion.")
    ] = None,
    codec: Annotated[
        str, typer.Option(help="libx264, libx265, libsvtav1, or ffv1 for no loss.")
    ] = "libx264",
    crf: Annotated[
        int | None, typer.Option(help="Lower is better and larger.", min=0, max=63)
    ] = None,
    pixel_format: Annotated[
        str, typer.Option(help="Such as yuv420p, yuv444p, yuv420p10le.")
    ] = "yuv420p",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Declare what every application can be asked for: only its signature is used."""


# They come before an application's own options; the others after.
_FIRST = ("context", "select", "model")


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


def application(
    name: str, *, model: bool = True
) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., None]]:
    """Make a command of a function that returns an application's own options.

    Its signature is put between the two halves of what is shared, as typer builds a command from a
    signature; without `model` it cannot be asked for by one.
    """
    shared = dict(inspect.signature(_shared, eval_str=True).parameters)
    if not model:
        del shared["model"]

    def decorate(own: Callable[..., dict[str, Any]]) -> Callable[..., None]:
        first = [one for key, one in shared.items() if key in _FIRST]
        rest = [one for key, one in shared.items() if key not in _FIRST]
        named = inspect.signature(own, eval_str=True).parameters

        def command(context: typer.Context, **given: Any) -> None:  # noqa: ANN401 - its signature is set below
            options = own(**{key: given[key] for key in named})
            encoding = {key: given[key] for key in ("codec", "crf", "pixel_format")}
            asked = given["select"], given.get("model"), options, encoding
            run(context.obj, name, *asked, given["dry_run"], given["as_json"])

        every = [*first, *named.values(), *rest]
        # Keywords, as a default may come before an argument without one.
        signature = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in every]
        command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in every}
        command.__doc__ = own.__doc__
        return app.command(name)(command)

    return decorate


@application("super-resolution")
def super_resolution(
    input_side: Annotated[
        int | None,
        typer.Option(help="Bring the source down to this shorter side first, and compare.", min=16),
    ] = None,
    scale: Annotated[int, typer.Option(help="How many times larger: 2 or 4.")] = 2,
    references: Annotated[
        bool,
        typer.Option("--references", help="Look at the clip's other cameras too."),
    ] = False,
    tile: Annotated[
        int | None,
        typer.Option(help="Work on so many rows of the source at once, for memory.", min=1),
    ] = None,
) -> dict[str, Any]:
    """Make every chosen camera larger and sharper, with the promoted model.

    Example: stillhouse generate super-resolution --select
    "select clip_id from current_clips where split = 'heldout'" --input-side 144
    """
    return {
        "input_side": input_side,
        "scale": scale,
        "references": references,
        "tile": tile,
    }


@application("edit", model=False)
def edit(
    change: Annotated[str, typer.Argument(help="replace, recolour, blur or remove.")],
    box: Annotated[
        str | None, typer.Option(help="x,y,w,h in pixels, around the object in the marked frame.")
    ] = None,
    mask: Annotated[
        str | None, typer.Option(help="A PNG of the frame's size, white where the region is.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="The camera it is marked in; the first.")
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(help="The second of the session it is marked at; the clip's first."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="The box itself, not the object in it.")
    ] = False,
    colour: Annotated[str, typer.Option(help="#rrggbb, to recolour or replace by.")] = "#808080",
    picture: Annotated[str | None, typer.Option(help="A PNG or JPEG to replace by.")] = None,
) -> dict[str, Any]:
    """Change a region, marked on one frame of one camera, in all frames and cameras of a clip.

    Example: stillhouse generate edit blur --box 300,120,90,200 --camera cam01 --at 0.5 --select
    "select clip_id from current_clips where session_id = '...' and start_ns = 0"
    """
    options = {"change": change, "box": box, "mask": mask, "camera": camera, "at": at}
    options |= {"exact": exact, "colour": colour, "picture": picture}
    return options


@application("cut", model=False)
def cut(
    edit_list: Annotated[
        str | None, typer.Argument(help="An OpenTimelineIO file; without, --from and --to cut.")
    ] = None,
    start: Annotated[float | None, typer.Option("--from", help="Seconds of the session.")] = None,
    end: Annotated[float | None, typer.Option("--to", help="Seconds of the session.")] = None,
    rate: Annotated[float | None, typer.Option(help="Frames a second of an edit list.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of an edit list.")] = None,
) -> dict[str, Any]:
    """Cut sessions by time, or by an edit list: one video a camera, in sync, with sound.

    Example: stillhouse generate cut --from 1.5 --to 4
    """
    options: dict[str, Any] = {"edit_list": edit_list, "start": start, "end": end, "rate": rate}
    if size is not None:
        width, _, height = size.partition("x")
        # What is no number is refused by the application, in words of its own.
        options |= {"width": width, "height": height}
    return options


@application("synthesis")
def synthesis(
    mode: Annotated[
        str, typer.Option(help="fuse bad sources, double the rate, or view: a missing camera.")
    ] = "fuse",
    damage: Annotated[
        list[str] | None,
        typer.Option(help="Of fuse: a source damaged so, name:severity+...; again for another."),
    ] = None,
    others: Annotated[
        bool, typer.Option("--others", help="Of fuse: the clip's other cameras are sources too.")
    ] = False,
    remake: Annotated[
        bool, typer.Option("--remake", help="Of rate: leave out every second frame, remake it.")
    ] = False,
    learned: Annotated[
        bool, typer.Option("--learned", help="Ask the networks instead of the best plain way.")
    ] = False,
    side: Annotated[int | None, typer.Option(help="The shorter side of the video.", min=16)] = 288,
) -> dict[str, Any]:
    """Make a camera from several bad sources, at twice the rate, or from the other cameras.

    Example: stillhouse generate synthesis --damage gauss:3 --damage motion:3 --damage h264:4
    """
    return {
        "mode": mode,
        "damage": damage or [],
        "others": others,
        "remake": remake,
        "learned": learned,
        "side": side,
    }


@application("action")
def action(
    least_score: Annotated[
        float, typer.Option(help="Name nothing that is less likely than this.", min=0, max=1)
    ] = 0.0,
) -> dict[str, Any]:
    """Tell what happens in every clip from its codes, and draw it with box and skeleton.

    Rows of the table actions hold it. Labels come by `stillhouse label`, the model by `distill
    --model action`.

    Example: stillhouse generate action --model models:/action/1
    """
    return {"least_score": least_score}


@application("style")
def style(
    look: Annotated[
        str,
        typer.Argument(
            metavar="STYLE",
            help="One the model learned (pastel, ink, crayon, sepia, comic, crackle, night, oil) "
            "or a PNG or JPEG whose style it is.",
        ),
    ] = "pastel",
    strength: Annotated[
        float, typer.Option(help="From 0, the footage, to 1, painted.", min=0, max=1)
    ] = 1.0,
    side: Annotated[
        int, typer.Option(help="The shorter side of the video; 0 for the footage's.", min=0)
    ] = 480,
) -> dict[str, Any]:
    """Paint every chosen camera in a style by name, or in that of a picture.

    Example: stillhouse generate style ink --select
    "select clip_id from current_clips where split = 'heldout'" --side 288
    """
    return {"style": look, "strength": strength, "side": side or None}


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
