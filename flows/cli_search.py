"""The commands `stillhouse search` and `stillhouse map`: clips that are alike, and where they lie.

A search finds the clips nearest to a clip, a picture, a sentence or a pose, or those that are
nearly equal among themselves; the map draws all codes on one sheet.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.endings import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.console import Console

# Windows of a group that are shown to people; JSON has all.
SHOWN = 6


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(search)
    app.command("map")(code_map)


def search(
    context: typer.Context,
    clip: Annotated[str | None, typer.Option(help="A clip_id: clips of a like code.")] = None,
    picture: Annotated[Path | None, typer.Option(help="A JPEG or PNG: clips that look so.")] = None,
    text: Annotated[
        str | None, typer.Option(help="Words: clips of which the like is said, or was told.")
    ] = None,
    pose: Annotated[
        Path | None,
        typer.Option(help="JSON of joints, {left_wrist: [x, y], ...}: people who stand so."),
    ] = None,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Groups of windows with nearly equal codes.")
    ] = False,
    within: Annotated[
        float | None,
        typer.Option(help="With --duplicates: 1 - cosine; 1 % of that of windows in a row."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="SQL that gives the clip_id of those that may be found.")
    ] = None,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help="By code: not in its own session.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at every code, though there is an index.")
    ] = False,
    model: Annotated[str, typer.Option(help="By whose codes.")] = "distiller",
    top: Annotated[int, typer.Option(min=1, max=1000, help="Hits or groups at the most.")] = 10,
    as_json: Json = False,
) -> None:
    """Find clips: like a clip, like a picture, by words, by how people stand, or like each other.

    A clip is found by its codes over all cameras together (reindex makes them), a picture by what
    the view appearance says of it, words by the view text, a pose by skeletons.

    Examples:
    stillhouse search --clip CLIP_ID --elsewhere

    stillhouse search --text "somebody walks" --where "select clip_id from current_clips"

    stillhouse search --picture photo.jpg --where "select clip_id from current_clips"

    stillhouse search --duplicates --elsewhere --json
    """
    console: Console = context.obj
    settings = console.settings()
    if duplicates:
        from infra.errors import UsageError
        from tasks.search.near_duplicates import near_duplicates

        if any(x is not None for x in (clip, picture, text, pose)):
            raise UsageError(
                "--duplicates compares clips with one another: it takes no question.",
                command="stillhouse search --duplicates",
            )
        groups = near_duplicates(
            settings,
            within=within,
            where=where,
            elsewhere=elsewhere,
            model=model,
            exact=exact,
            count=top,
        )
        console.answer(groups, as_json=as_json, text=_groups(console, groups))
        return
    from tasks.search.find import search as asked

    found = asked(
        settings,
        clip=clip,
        picture=picture,
        text=text,
        pose=pose,
        where=where,
        elsewhere=elsewhere,
        exact=exact,
        model=model,
        count=top,
    )
    from flows.demo_report import hits_text

    shown = hits_text(console, f"of {found['searched']} clips, {found['by']}", found["hits"])
    if not found["hits"]:
        shown = f"nothing found among {found['searched']} clips\n"
    console.answer(found, as_json=as_json, text=shown)


def code_map(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="Where the picture goes; HOME/sheets/map.png.")
    ] = None,
    model: Annotated[str, typer.Option(help="Whose codes.")] = "distiller",
    points: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Windows in the JSON at the most.")
    ] = 20_000,
    as_json: Json = False,
) -> None:
    """Draw where every code lies: a dot a window, the colour of its session, some pictures.

    Codes keep their place as clips are added. With --json the places come too.

    Example: stillhouse map --out map.png
    """
    console: Console = context.obj
    settings = console.settings()
    from tasks.search.map_picture import show_map

    found = show_map(settings, model=model, target=out, most=points)
    text = f"{found['windows']} windows of {found['sessions']} sessions: {found['picture']}\n"
    if found["quality"] is not None:
        kept, k = found["quality"], found["quality"]["neighbours"]
        text += (
            f"of {k} neighbours each, trustworthiness {kept['trustworthiness']:.3f}, "
            f"continuity {kept['continuity']:.3f}\n"
        )
    console.answer(found, as_json=as_json, text=text)


def _groups(console: Console, found: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for number, group in enumerate(found["groups"], 1):
        for one in group[:SHOWN]:
            row = (number, f"{one['away']:.2g}", one["session"], _span(one), one["clip_id"])
            rows.append(row)
        if len(group) > SHOWN:
            rows.append((number, "", f"and {len(group) - SHOWN} more", "", ""))
    title = (
        f"{found['found']} groups, {found['windows']} windows, within {found['within']:.2g} "
        f"({found['by']})"
    )
    if not rows:
        return f"no two codes within {found['within']:.2g} of one another\n"
    return console.table(title, ("group", "away", "session", "when", "clip_id"), rows)


def _span(hit: Mapping[str, int]) -> str:
    return f"{hit['start_ns'] / 1e9:.2f}-{hit['end_ns'] / 1e9:.2f} s"
