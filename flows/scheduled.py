"""Flows that a server starts: every night, every week, every month, and when a model is promoted.

Each is made of the flows that people run, in their order, and is as safe to run again: what is
done is cached, and a run that failed is tried twice more. What fails does not keep what comes
after it from its own work; the run then fails at its end, with every reason. `deployments.py` says
when each runs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prefect import flow

from catalog.query import rows
from catalog.store import Catalog
from flows.distill import distill
from flows.events import quarantine_is_high
from flows.extract import extract
from flows.generate import EVERY_CLIP, generate
from flows.ingest import ingest
from flows.promote import promote
from flows.reindex import reindex
from infra import registry
from infra.errors import ScheduledWorkError, StillhouseError
from infra.observability import start_logging
from infra.settings import load_settings
from tasks.applications.catalogue import APPLICATIONS
from tasks.codes.presets import ENCODERS
from tasks.runs.artifacts import show_stages
from tasks.runs.upkeep import compact_tables, folders_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class _Stages:
    """Runs stages of a flow one after another; each may fail alone."""

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self.reports: dict[str, dict[str, Any]] = {}
        self._failed: list[str] = []

    def run(self, name: str, stage: Callable[[], dict[str, Any]]) -> None:
        """Run one; an error of ours is kept for the end, any other ends the run here."""
        try:
            self.reports[name] = stage()
        except StillhouseError as error:
            self._failed.append(f"{name}: {error}")

    def end(self) -> dict[str, Any]:
        """Return the reports.

        Raises:
            ScheduledWorkError: with what failed.
        """
        show_stages(self._flow, self.reports, self._failed)
        if self._failed:
            raise ScheduledWorkError(" ".join(self._failed), command="stillhouse show runs")
        return self.reports


def _prepared(home: str | None) -> str | None:
    # A server's worker starts a process that has not been through the command.
    settings = load_settings(home)
    settings.prepare_process()
    settings.prepare_home()
    start_logging(form=settings.log_format)
    return home


@flow(name="nightly", validate_parameters=False, retries=2, retry_delay_seconds=60)
def nightly(archives: Sequence[str], home: str | None = None) -> dict[str, Any]:
    """Ingest every archive, extract what is missing, and give new clips their codes."""
    home, stages = _prepared(home), _Stages("nightly")
    for archive in archives:
        stages.run(f"ingest {archive}", partial(ingest, archive, home))
    stages.run("extract", partial(extract, (), home))
    for model in ENCODERS:
        if registry.champion_version(load_settings(home), model) is not None:
            stages.run(f"reindex {model}", partial(reindex, f"models:/{model}@champion", home))
    return stages.end()


@flow(name="weekly", validate_parameters=False, retries=2, retry_delay_seconds=60)
def weekly(models: dict[str, str], home: str | None = None) -> dict[str, Any]:
    """Train each model (name to preset) on what is there now; promote it if it earned it."""
    home, stages = _prepared(home), _Stages("weekly")
    for model, preset in models.items():
        stages.run(f"distill {model}", partial(distill, preset, home, model))
        if f"distill {model}" in stages.reports:
            version = stages.reports[f"distill {model}"]["version"]
            stages.run(f"promote {model}", partial(promote, model, version, home))
    return stages.end()


@flow(name="promoted", validate_parameters=False, retries=2, retry_delay_seconds=60)
def promoted(
    model: str,
    version: int | str | None = None,
    selections: dict[str, str] | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Bring the archive up to a model that was promoted.

    An encoder encodes every clip anew; the applications that the model serves, of those in
    `selections` (application to SQL), make their videos anew. `version` comes with the event, to
    be seen in the run: what serves now is what is used.
    """
    del version
    home, stages = _prepared(home), _Stages("promoted")
    if model in ENCODERS:
        stages.run("reindex", partial(reindex, f"models:/{model}@champion", home))
    for name, select in (selections or {}).items():
        kind = APPLICATIONS.get(name)
        if kind is None or kind.spec.model == model:
            stages.run(f"generate {name}", partial(generate, name, select or EVERY_CLIP, home=home))
    return stages.end()


@flow(name="upkeep", validate_parameters=False, retries=2, retry_delay_seconds=60)
def upkeep(home: str | None = None) -> dict[str, Any]:
    """Make few files of many in every table, and remove codes that no longer serve."""
    home, stages = _prepared(home), _Stages("upkeep")
    settings = load_settings(home)
    stages.run("compact", partial(compact_tables, settings))
    for model in ENCODERS:
        if registry.champion_version(settings, model) is not None:
            uri = f"models:/{model}@champion"
            stages.run(f"vacuum {model}", partial(reindex, uri, home, vacuum=True))
    return stages.end()


@flow(name="quality", validate_parameters=False)
def quality(most_refused: float = 0.05, home: str | None = None) -> dict[str, Any]:
    """Hold the last run of each flow against the share of its inputs that may be quarantined.

    Each that is above it is an event (`stillhouse.quarantine.high`), and the run fails.

    Raises:
        ScheduledWorkError: a share is above `most_refused`.
    """
    settings = load_settings(_prepared(home))
    found = rows(Catalog(settings.catalog).snapshot(), "runs_latest")
    shares = {row["flow"]: row["quarantined"] / row["inputs"] for row in found if row["inputs"]}
    high = {name: round(share, 4) for name, share in shares.items() if share > most_refused}
    show_stages("quality", {row["flow"]: row for row in found}, [])
    for name, share in high.items():
        quarantine_is_high(name, share, most_refused)
    if high:
        told = ", ".join(f"{name} {share:.1%}" for name, share in high.items())
        raise ScheduledWorkError(
            f"More than {most_refused:.1%} of the inputs were refused: {told}.",
            command="stillhouse show quarantine",
        )
    return {"shares": shares}


@flow(name="backfill", validate_parameters=False, retries=2, retry_delay_seconds=60)
def backfill(
    archive: str,
    first: str | int | None = None,
    last: str | int | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Ingest the folders of an archive one after another, from name `first` to name `last`.

    Folders are named by date in most archives, so that a range of names is a range of dates. Each
    is an ingest of its own: killed anywhere and run again, it goes on with the folder it was at.
    """
    home, stages = _prepared(home), _Stages("backfill")
    for folder in folders_of(load_settings(home), archive, first, last):
        stages.run(folder, partial(ingest, folder, home))
    return stages.end()
