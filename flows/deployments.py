"""What runs by itself and when: the flows of `scheduled.py` as deployments of a Prefect server.

`stillhouse deploy` hands them to the server, with the two automations that watch over them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import Flow
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    StateType,
)
from prefect.events import DeploymentEventTrigger, EventTrigger
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.schedules import Cron

from flows.events import PROMOTED
from infra.settings import PROCESS_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
POOL = NAME = "stillhouse"
ENTRYPOINT = "flows/scheduled.py:{}"
# Without a heartbeat for so long a run is taken for dead: three of those of `PROCESS`.
HEARTBEAT_S = 30


@dataclass(frozen=True, slots=True)
class Deployment:
    """One flow of `scheduled.py`, and what starts it: a cron line, an event, or a person."""

    flow: str
    doc: str
    cron: str | None = None
    event: str | None = None

    @property
    def trigger(self) -> str:
        """What starts it, for people."""
        return (
            f"cron `{self.cron}`"
            if self.cron
            else f"event `{self.event}`"
            if self.event
            else ("by hand")
        )


DEPLOYMENTS = (
    Deployment("nightly", "ingest the archives, extract, encode new clips", cron="0 2 * * *"),
    Deployment("weekly", "distill, and promote what passes its gates", cron="0 4 * * 0"),
    Deployment("promoted", "reindex, and make configured generations anew", event=PROMOTED),
    Deployment("quality", "raise an alert where too much is refused", cron="0 8 * * *"),
    Deployment("upkeep", "compact tables, remove codes that no longer serve", cron="0 5 1 * *"),
    Deployment("backfill", "ingest the folders of an archive from one name to another"),
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a user says when deploying: where archives are, when, what is trained and made."""

    home: str
    archives: tuple[str, ...] = ()
    models: Mapping[str, str] | None = None
    selections: Mapping[str, str] | None = None
    time_zone: str = "UTC"
    most_refused: float = 0.05

    def parameters(self, flow: str) -> dict[str, Any]:
        """Return the parameters of one deployment."""
        given: dict[str, dict[str, Any]] = {
            "nightly": {"archives": list(self.archives)},
            "weekly": {"models": dict(self.models or {})},
            "promoted": {"selections": dict(self.selections or {})},
            "quality": {"most_refused": self.most_refused},
        }
        return {"home": self.home, **given.get(flow, {})}


async def deploy(wishes: Wishes, environment: Mapping[str, str]) -> list[str]:
    """Hand every deployment and automation to the server; return the deployments' names.

    One run of each at a time: a second waits for the first. `environment` is added to that of the
    processes that runs are; secrets do not belong in it, the server shows it.
    """
    async with get_client() as client:
        pool = WorkPoolCreate(name=POOL, type="process", description="runs on the worker's machine")
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(pool)
    for one in DEPLOYMENTS:
        source: Any = Flow.afrom_source(source=str(ROOT), entrypoint=ENTRYPOINT.format(one.flow))
        runner = await (await source).ato_deployment(
            name=NAME,
            description=one.doc,
            parameters=wishes.parameters(one.flow),
            schedules=[Cron(one.cron, timezone=wishes.time_zone)] if one.cron else [],
            triggers=_triggers(one),
            concurrency_limit=ConcurrencyLimitConfig(
                limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
            ),
            enforce_parameter_schema=False,
            work_pool_name=POOL,
            job_variables={"working_dir": str(ROOT), "env": _environment(environment)},
        )
        await runner.aapply(work_pool_name=POOL)
    await _watch()
    return [f"{one.flow}/{NAME}" for one in DEPLOYMENTS]


def _triggers(one: Deployment) -> list[Any]:
    if one.event is None:
        return []
    return [
        DeploymentEventTrigger(
            name=one.event,
            expect={one.event},
            parameters={
                "model": "{{ event.payload.model }}",
                "version": "{{ event.payload.version }}",
            },
        )
    ]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {
        **PROCESS_ENVIRONMENT,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        **given,
    }


async def _watch() -> None:
    """Make the automation that calls a run crashed when its heartbeat stops."""
    name = "stillhouse: a run without a heartbeat has crashed"
    wanted = Automation(
        name=name,
        description="A killed process cannot say so; what waits for it would wait for ever.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={
                "prefect.flow-run.heartbeat",
                "prefect.flow-run.Completed",
                "prefect.flow-run.Failed",
                "prefect.flow-run.Cancelled",
                "prefect.flow-run.Crashed",
            },
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * HEARTBEAT_S),
        ),
        actions=[
            ChangeFlowRunState(
                name=None, state=StateType.CRASHED, message="no heartbeat", force=False
            )
        ],
    )
    with suppress(ValueError):  # there is none yet
        await (await Automation.aread(name=name)).adelete()
    await wanted.acreate()


def described() -> Sequence[tuple[str, str, str]]:
    """Return deployment, trigger and what it does: the README's table."""
    return [(one.flow, one.trigger, one.doc) for one in DEPLOYMENTS]
