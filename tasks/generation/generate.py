"""Generate: has Ray make the videos of a plan, and commits their lineage.

Writes video files and the table `generations`, and what an application finds out besides.
`generate_plan.py` says what is due, `applications/` how each is made.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.ids import digest
from catalog.schemas.generations import GENERATIONS
from catalog.schemas.quarantine import QUARANTINE
from infra import registry
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_batches
from tasks.generation.requests import Made
from tasks.generation.rows import failed_request, generation_row, planned_refusal
from tasks.views.version import source_parts

if TYPE_CHECKING:
    from catalog.table import Table
    from tasks.generation.plan import GeneratePlan
    from tasks.generation.requests import Request
    from tasks.runs.record import FlowRun

# A commit takes some 15 ms whatever is in it, and adds a file to the table.
COMMIT_ROWS = 256
COMMIT_SECONDS = 5.0


@task(cache_policy=NO_CACHE, persist_result=False)
def make_generations(plan: GeneratePlan, run: FlowRun) -> list[str]:
    """Make every video that is due and commit its row; return the paths.

    A file is moved into place only when it is whole, and counts only when its row is committed:
    what a killed run had made in the last seconds is made again.

    Raises:
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
        DiskFullError: the disk is full.
    """
    run.catalog.commit(QUARANTINE, [planned_refusal(plan, one, run) for one in plan.refused])
    run.ledger.quarantined += len(plan.refused)
    if not plan.due:
        return []
    from tasks.applications.worker import GenerationWorker

    settings, model = run.settings, plan.model
    folder = str(registry.download(settings, model)) if model else None
    connect(settings)
    made = _Rows(plan, run)
    with progress("generate", len(plan.due), "clips") as bar:
        for outcome in map_batches(
            GenerationWorker,
            (plan.application, folder),
            plan.requests(),
            actors=min(settings.cpus, len(plan.due)),
            cpus_per_actor=1,
            threads=1,
        ):
            if not isinstance(outcome, Finished):
                made.refuse(outcome.item, "worker_crashed", "its worker died")
            elif isinstance(outcome.result, Made):
                made.keep(outcome.item, outcome.result)
            else:
                made.refuse(outcome.item, outcome.result.reason, str(outcome.result))
            bar.advance(1)
    made.commit()
    return made.paths


class _Rows:
    """Gathers rows and commits them every few seconds: a million are not a million files."""

    def __init__(self, plan: GeneratePlan, run: FlowRun) -> None:
        self.paths: list[str] = []
        self._plan, self._run = plan, run
        self._fixed = {
            "parameters": plan.parameters,
            "snapshot": json.dumps(plan.context.snapshot.versions, sort_keys=True),
            "source_digest": digest(*source_parts(type(plan.application).__module__)),
        }
        self._found: list[tuple[Table, dict[str, Any]]] = []
        self._since = time.monotonic()

    def keep(self, request: Request, made: Made) -> None:
        """Take a video that was made."""
        row = generation_row(self._plan, request, made, self._fixed, self._run)
        self._found.append((GENERATIONS, row))
        table = self._plan.application.spec.table
        if table is not None:
            stamp = {"generation_id": request.generation_id, "flow_run_id": self._run.flow_run_id}
            self._found += [(table, {**one, **stamp}) for one in made.rows]
        self.paths.append(request.target)
        ledger = self._run.ledger
        ledger.done += 1
        ledger.frames_header += made.written.frames
        ledger.frames_decoded += made.written.frames
        ledger.bytes_out += made.written.bytes
        self._soon()

    def refuse(self, request: Request, reason: str, detail: str) -> None:
        """Take a video that could not be made."""
        self._found.append((QUARANTINE, failed_request(request, reason, detail, self._run)))
        self._run.ledger.quarantined += 1
        self._soon()

    def commit(self) -> None:
        """Commit what is held. A generation comes last: what is its own is there before it."""
        tables = dict.fromkeys(table for table, _ in self._found if table is not GENERATIONS)
        for table in (*tables, GENERATIONS):
            self._run.catalog.commit(table, [row for held, row in self._found if held is table])
        self._found.clear()
        self._since = time.monotonic()

    def _soon(self) -> None:
        late = time.monotonic() - self._since > COMMIT_SECONDS
        if late or len(self._found) >= COMMIT_ROWS:
            self.commit()
