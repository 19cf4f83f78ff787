"""The command `stillhouse page`: a web page to look at everything with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.console import Console

PORT = 8410


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(page)


def page(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Interface; any other than loopback needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = PORT,
) -> None:
    """Serve a read-only page over the catalog, until Ctrl-C.

    Sessions with all cameras in step, clips, views, generations, quarantine, runs, models, search
    and SQL. On an interface that is not loopback it asks for the token in STILLHOUSE_PAGE_TOKEN, or
    in the file that STILLHOUSE_PAGE_TOKEN_FILE names; put TLS before it there.

    Example: stillhouse page --port 8410
    """
    console: Console = context.obj
    settings = console.settings()
    from flows.page.serve import serve

    serve(settings, host, port, lambda url: console.say(f"{url}  (Ctrl-C stops it)"))
