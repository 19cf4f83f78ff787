"""The command that hands schedules to a Prefect server, or runs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.endings import Json

if TYPE_CHECKING:
    from flows.console import Console
    from flows.deployments import Wishes
    from infra.settings import Settings

PORT = 4200


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(deploy)


def deploy(
    context: typer.Context,
    archive: Annotated[
        list[str] | None, typer.Option(help="Ingested every night; may be given several times.")
    ] = None,
    distill: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=PRESET, trained every week; may be given several times."),
    ] = None,
    generate: Annotated[
        list[str] | None,
        typer.Option(help="APPLICATION or APPLICATION=SQL, made anew when its model is promoted."),
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Of the schedules, such as Europe/Vienna.")] = (
        "UTC"
    ),
    most_refused: Annotated[
        float,
        typer.Option(help="Share of refused inputs that raises an alert.", min=0, max=1),
    ] = 0.05,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Run a server and a worker here, until Ctrl-C."),
    ] = False,
    port: Annotated[int, typer.Option(help="Of the server that --serve runs.")] = PORT,
    as_json: Json = False,
) -> None:
    """Hand the nightly, weekly and monthly work, and what follows a promotion, to a server.

    The server is the one PREFECT_API_URL names; start a worker beside it with
    `prefect worker start --pool stillhouse`. On one machine --serve is both. Deploy again to change
    anything: what is there is replaced.

    Example: stillhouse deploy --archive /archive --distill distiller=laptop --serve
    """
    console: Console = context.obj
    settings = console.settings(runs=True)
    wishes = _wishes(settings, archive, distill, generate, time_zone, most_refused)
    if serve:
        _serve(console, settings, wishes, port, as_json=as_json)
        return
    from prefect.settings import PREFECT_API_URL

    from infra.errors import NoServerError
    from infra.prefect_server import answers

    url = PREFECT_API_URL.value()
    if not url or not answers(url):
        raise NoServerError(
            f"No Prefect server answers at {url}."
            if url
            else "PREFECT_API_URL names no Prefect server.",
            command="stillhouse deploy --serve",
        )
    _show(console, wishes, _deployed(settings, wishes, url), as_json=as_json)


def _serve(
    console: Console, settings: Settings, wishes: Wishes, port: int, *, as_json: bool
) -> None:
    import signal
    import sys

    from flows.deployments import POOL
    from infra.prefect_server import own_server, worker

    # As Ctrl-C does: a service manager's stop leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    console.say("starting a Prefect server ...")
    with own_server(settings, port) as url:
        _show(console, wishes, _deployed(settings, wishes, url), as_json=as_json)
        with worker(settings, url, POOL) as process:
            console.say(f"schedules run from here: {url.removesuffix('/api')} (Ctrl-C ends them)")
            process.wait()
            console.say(f"the worker ended: see {settings.state / 'prefect' / 'worker.log'}")
    raise typer.Exit(1)


def _deployed(settings: Settings, wishes: Wishes, url: str) -> list[str]:
    import asyncio

    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.deployments import deploy as hand_over

    with temporary_settings({PREFECT_API_URL: url}):
        return asyncio.run(hand_over(wishes, settings.as_environment()))


def _show(console: Console, wishes: Wishes, names: list[str], *, as_json: bool) -> None:
    from flows.deployments import described

    columns, rows = ("deployment", "trigger", "does"), described()
    text = console.table(f"times are of {wishes.time_zone}", columns, rows)
    answer: dict[str, Any] = {"deployments": names, "time_zone": wishes.time_zone}
    console.answer(answer, as_json=as_json, text=text)


def _wishes(
    settings: Settings,
    archives: list[str] | None,
    models: list[str] | None,
    generations: list[str] | None,
    time_zone: str,
    most_refused: float,
) -> Wishes:
    """Check what was asked for before a server is told.

    Raises:
        UsageError: a model, preset, application or time zone is not there.
    """
    from zoneinfo import available_timezones

    from flows.deployments import Wishes
    from flows.generate import EVERY_CLIP
    from infra.errors import StillhouseError, UsageError
    from tasks.applications.catalogue import application_of
    from tasks.archives.contents import archive_uri
    from tasks.runs.record import FlowRun
    from tasks.training.recipes import recipe_named

    if time_zone not in available_timezones():
        raise UsageError(
            f"There is no time zone {time_zone!r}.", command="timedatectl list-timezones"
        )
    presets = dict(_pair(one, "laptop") for one in models or ())
    for model, preset in presets.items():
        try:
            recipe_named(model).plan(preset, FlowRun("deploy", settings))
        except UsageError:
            raise
        except StillhouseError:
            continue  # there may be nothing to learn from before the first night
    selections = dict(_pair(one, EVERY_CLIP) for one in generations or ())
    for name in selections:
        application_of(name, {})
    return Wishes(
        home=str(settings.root),
        archives=tuple(archive_uri(one) for one in archives or ()),
        models=presets,
        selections=selections,
        time_zone=time_zone,
        most_refused=most_refused,
    )


def _pair(text: str, otherwise: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value or otherwise
