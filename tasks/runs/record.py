"""One flow run from start to its row in the ledger: time, memory, counts, the conservation law.

Writes one row of the table `runs`; reads the flow run's id from Prefect.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from prefect.runtime import flow_run

from catalog.compaction import compact
from catalog.ledger import Ledger
from catalog.migration import bring_forward
from catalog.schemas.registry import TABLES
from catalog.schemas.runs import RUNS
from catalog.store import Catalog
from infra import metrics
from infra.log_lines import bound
from infra.observability import PeakMemory, log_facts
from tasks.runs.artifacts import show_ending, shown_progress
from tasks.runs.metrics import OUTCOMES, ended, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.settings import Settings


class FlowRun:
    """What one run of a flow is doing: its id, its counts, its catalog."""

    def __init__(self, flow: str, settings: Settings) -> None:
        self.flow = flow
        self.settings = settings
        self.catalog = Catalog(settings.catalog)
        self.ledger = Ledger()
        # Outside Prefect (a test of one task) a run has an id of its own.
        self.flow_run_id: str = flow_run.id or str(uuid4())
        self.report: dict[str, Any] = {}


@contextmanager
def flow_record(
    flow: str, settings: Settings, parameters: Mapping[str, object]
) -> Iterator[FlowRun]:
    """Measure a flow, hold the law at its end, write its row, and fill `run.report`.

    A catalog of an older version is brought forward before anything else.
    A flow that raises leaves a row with status `failed` and what was counted so far, and the
    error goes on.

    Raises:
        ConservationError: if inputs are not the sum of their outcomes.
        CatalogOutdatedError: another version made the catalog; nothing was done.
    """
    run = FlowRun(flow, settings)
    bring_forward(run.catalog)
    started_ns = time.time_ns()
    told = partial(_told, run, started_ns)
    with (
        bound(flow_run_id=run.flow_run_id),
        metrics.served(settings.metrics_port, told),
        PeakMemory() as memory,
        shown_progress(flow),
    ):
        try:
            yield run
        except BaseException:
            _close(run, "failed", parameters, started_ns, memory.peak_rss_bytes)
            raise
        _close(run, "done", parameters, started_ns, memory.peak_rss_bytes)
    run.ledger.check()


def _told(run: FlowRun, started_ns: int) -> Mapping[tuple[str, ...], float]:
    """Return what is served while a run goes on: what runs before it left, and its own."""
    before = metrics.kept(run.settings.metrics)
    return before | metrics.together(
        {key: value for key, value in before.items() if run.flow in key}, running(run, started_ns)
    )


def _close(
    run: FlowRun, status: str, parameters: Mapping[str, object], started_ns: int, peak: int
) -> None:
    ledger = run.ledger
    ended_ns = time.time_ns()
    ledger.seconds = round((ended_ns - started_ns) / 1e9, 3)
    ledger.peak_rss_bytes = peak
    snapshot = run.catalog.snapshot()
    row = {
        **ledger.counts(),
        "flow_run_id": run.flow_run_id,
        "flow": run.flow,
        "status": status,
        "snapshot": json.dumps(snapshot.versions, sort_keys=True),
        "parameters": json.dumps(dict(parameters), sort_keys=True, default=str),
        "started_ns": started_ns,
        "ended_ns": ended_ns,
        "version": version("stillhouse"),
    }
    # Of what is committed for the run's own record nothing is told: it is in every run alike.
    tell = ended(run, status, ended_ns)
    run.catalog.commit(RUNS, [row])
    metrics.keep(run.settings.metrics, run.flow, tell)
    for table in TABLES.values():
        compact(run.catalog, table)
    run.report = {
        "flow_run_id": run.flow_run_id,
        "snapshot": snapshot.versions,
        **ledger.report(),
    }
    facts = {name: run.report[name] for name in (*OUTCOMES, "inputs", "seconds")}
    # On a terminal the command says the same in a table.
    level = logging.INFO if run.settings.log_format == "json" else logging.DEBUG
    log_facts(f"{run.flow}_{status}", level=level, **facts)
    show_ending(run, status)
