"""Encode: has Ray make the codes that are missing, commits them, and lets the new version serve.

Reads the catalog and the registry; writes files of the table `codes` (by the workers), and rows of
`quarantine` and `code_versions` (by the driver). `encode_plan.py` says what is missing,
`clip_encoder.py` is the worker's side.
"""

from __future__ import annotations

import math
import time
from itertools import islice, takewhile
from typing import TYPE_CHECKING, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.schemas.codes import CODES
from catalog.schemas.quarantine import QUARANTINE
from catalog.vacuum import vacuum
from infra import registry
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_batches_again
from tasks.codes.refine_plan import is_refined
from tasks.codes.serving import begin_serving, serving_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tasks.codes.clip_encoder import EncodedClips
    from tasks.codes.coding import CodeWork
    from tasks.codes.encode_plan import EncodePlan
    from tasks.runs.record import FlowRun

T = TypeVar("T")

# Clips a worker takes at a time: of one camera 10 s of preset laptop's work, 250 codes a file.
BATCH_CLIPS = 64
# Each core has at least so many batches, so that none waits long for the last.
TURNS = 3


@task(cache_policy=NO_CACHE, persist_result=False)
def encode_clips(plan: EncodePlan, run: FlowRun, core_hours: float | None = None) -> None:
    """Encode every clip of the plan and commit it; what cannot be encoded goes to quarantine.

    Once the workers have spent `core_hours` of CPU no batch is begun: the rest is pending, and the
    next run goes on with it. Each batch is a commit, so a killed run has lost a batch a core. When
    all is done the codes of the champion begin to serve: until then, and while clips wait for
    features, those before do.

    Raises:
        ModelInvalidError: the model's files are damaged, or it encodes nothing.
        ModelArchitectureError: it was made by another version of this application.
    """
    if plan.work:
        _encode(plan, run, math.inf if core_hours is None else core_hours * 3600)
    if plan.serves:
        _let_serve(plan, run)


def _encode(plan: EncodePlan, run: FlowRun, most_seconds: float) -> None:
    from tasks.codes.clip_encoder import ClipEncoder, EncodedClips
    from tasks.codes.model import load_encoder

    settings, model = run.settings, plan.coding.model
    folder = registry.download(settings, model)
    # Here first: what is wrong with it is said before Ray has started.
    load_encoder(folder, model.uri)
    connect(settings)
    arguments = (settings, run.flow_run_id, plan.snapshot, plan.coding, str(folder))
    totals = EncodedClips()
    with progress("reindex", len(plan.work), "clips") as bar:
        size = batch_size(len(plan.work), settings.cpus)
        cut = batches(plan.work, size)
        # Asked for one at a time, each when a worker is free for it.
        due = takewhile(lambda _: sum(totals.cpu_seconds.values()) < most_seconds, cut)
        # One process a core with one thread: between its convolutions the network is Python.
        for outcome in map_batches_again(
            ClipEncoder, arguments, due, actors=min(settings.cpus, -(-len(plan.work) // size))
        ):
            if isinstance(outcome, Finished):
                _commit(outcome.result, run)
                totals.add(outcome.result)
                run.ledger.spend(outcome.result.cpu_seconds)
            else:
                _quarantine_lost(outcome.item, outcome.reason, plan, run)
            bar.advance(len(outcome.item))
    ledger = run.ledger
    left = ledger.inputs - ledger.cached - ledger.done - ledger.quarantined - ledger.pending
    if left:
        ledger.pending += left
        ledger.extra["pending_until"] = "stillhouse reindex"
    run.ledger.extra["codes"] = totals.codes


def batch_size(clips: int, cpus: int) -> int:
    """Return how many clips a worker takes at a time, so that every core is kept busy."""
    return max(1, min(BATCH_CLIPS, -(-clips // (cpus * TURNS))))


def batches(work: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the work in batches of at most `size`, in its order."""
    rest = iter(work)
    while batch := list(islice(rest, size)):
        yield batch


def _commit(found: EncodedClips, run: FlowRun) -> None:
    run.catalog.commit_files(CODES, found.files)
    run.catalog.commit(QUARANTINE, found.quarantine)
    run.ledger.done += found.clips
    run.ledger.quarantined += len(found.quarantine)
    run.ledger.bytes_out += sum(file.bytes for file in found.files)


def _quarantine_lost(
    batch: Sequence[CodeWork], reason: str, plan: EncodePlan, run: FlowRun
) -> None:
    why, now = (reason, "its worker died twice"), time.time_ns()
    version = plan.coding.version
    refused = [one.refusal(version, why, run.flow_run_id, now) for one in batch]
    run.catalog.commit(QUARANTINE, refused)
    run.ledger.quarantined += len(refused)


def _let_serve(plan: EncodePlan, run: FlowRun) -> None:
    snapshot = run.catalog.snapshot()
    before = serving_of(snapshot, plan.coding.model.name)
    if before is not None:
        if before["version"] == plan.coding.version:
            return
        if is_refined(snapshot, before, plan.coding.version):
            # These codes, only better ones: `stillhouse distill --method`.
            return
        if run.ledger.pending:
            # A view of another version leaves every clip waiting: then nothing at all would serve.
            return
    begin_serving(plan.coding, run)


@task(cache_policy=NO_CACHE, persist_result=False)
def vacuum_codes(plan: EncodePlan, run: FlowRun) -> None:
    """Remove every code that does not serve, but those that a generation was made from.

    Those of this run's plan stay too, where its model is not (yet) the champion.

    Nothing is removed while clips are pending: their old codes are all they have.
    """
    extra = run.ledger.extra
    snapshot = run.catalog.snapshot()
    serving = rows(snapshot, "serving_codes")
    if run.ledger.pending or not serving:
        extra["vacuum"] = "nothing was removed: not every clip has a code that serves"
        return
    keep = {row["code_id"] for row in rows(snapshot, "lineage_codes")}
    partitions = [{"model": row["model"], "version": row["version"]} for row in serving]
    partitions.append({"model": plan.coding.model.name, "version": plan.coding.version})
    gone = vacuum(run.catalog, CODES, partitions, keep)
    extra |= {"codes_removed": gone.rows, "files_removed": gone.files, "bytes_freed": gone.bytes}
