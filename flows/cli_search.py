"""The command `stillhouse search`: the clips nearest to a clip, a picture, a sentence or a pose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.endings import Json

if TYPE_CHECKING:
    from flows.console import Console


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(search)


def search(
    context: typer.Context,
    clip: Annotated[str | None, typer.Option(help="A clip_id: clips of a like code.")] = None,
    picture: Annotated[Path | None, typer.Option(help="A JPEG or PNG: clips that look so.")] = None,
    text: Annotated[str | None, typer.Option(help="Words: what clips' words mean.")] = None,
    pose: Annotated[
        Path | None,
        typer.Option(help="JSON of joints, {left_wrist: [x, y], ...}: people who stand so."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL that gives the clip_id of those that may be found.")
    ] = None,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="With --clip: not in its own session.")
    ] = False,
    model: Annotated[str, typer.Option(help="With --clip: by whose codes.")] = "distiller",
    top: Annotated[int, typer.Option(min=1, max=1000, help="Hits at the most.")] = 10,
    as_json: Json = False,
) -> None:
    """Find clips: like a clip, like a picture, by words, or by how people stand.

    A clip is found by its codes over all cameras together (reindex makes them), a picture by what
    the view appearance says of it, words by the view text, a pose by skeletons.

    Example: stillhouse search --picture photo.jpg --where "select clip_id from current_clips"
    """
    console: Console = context.obj
    settings = console.settings()
    from tasks.search import search as asked

    found = asked(
        settings,
        clip=clip,
        picture=picture,
        text=text,
        pose=pose,
        where=where,
        elsewhere=elsewhere,
        model=model,
        count=top,
    )
    from flows.demo_report import hits_text

    text = hits_text(console, f"of {found['searched']} clips", found["hits"])
    console.answer(found, as_json=as_json, text=text)
