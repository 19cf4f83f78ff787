"""Features: computes what is missing in Ray, by one decode a clip, and commits the files.

Reads the catalog and the archive; writes Parquet files of the table `features` (by the workers)
and rows of `quarantine` (by the driver). `feature_plan.py` says what is missing, `extractor.py`
and `rig_extractor.py` are the workers' side.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.schemas.features import FEATURES
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.view_versions import VIEW_VERSIONS
from infra import registry
from infra.observability import progress
from infra.ray_cluster import Finished, connect, fitting_cpus, map_batches_again
from tasks.extraction.extractor import Extractor
from tasks.extraction.rig_extractor import RigExtractor, RigWork
from tasks.views.catalogue import VIEWS, specs
from tasks.views.current import current_parts, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from infra.settings import Settings
    from tasks.extraction.clip_work import ClipWork, Extracted
    from tasks.extraction.plan import FeaturePlan
    from tasks.runs.record import FlowRun

    Batch = list[ClipWork] | list[RigWork]

# Of one worker: each thread holds Python's lock .17 of its time, so six threads would have it all.
MOST_THREADS = 4


@task(cache_policy=NO_CACHE, persist_result=False)
def compute_features(plan: FeaturePlan, run: FlowRun) -> None:
    """Compute every missing feature and commit it; what cannot be read goes to quarantine.

    Views of rigs come last, from the rows of the others. A batch whose worker died is tried again
    clip by clip; a clip that kills its worker alone is quarantined as `decoder_crashed`.
    """
    if not plan.missing:
        return
    settings = run.settings
    weights = prepared(plan.versions, settings)
    parts = {name: current_parts(name, settings) for name in plan.versions}
    run.catalog.commit(
        VIEW_VERSIONS,
        [
            parts[name] | {"view": name, "version": version, "flow_run_id": run.flow_run_id}
            for name, version in plan.versions.items()
        ],
    )
    connect(settings)
    with progress("extract", plan.missing, "features") as bar:
        settle = partial(_settle, run=run, advance=bar.advance)
        if plan.work:
            # Few actors with a thread per core: every kernel releases the GIL, so two threads
            # reach .97 of two bare threads, where two actors reach .89.
            needed = {due.view for clip in plan.work for due in clip.due}
            loaded = {name: digests for name, digests in weights.items() if name in needed}
            arguments = (settings, run.flow_run_id, loaded)
            cut = list(batches(plan.work, settings.batch_clips))
            settle(Extractor, arguments, cut)
        if plan.rig_work:
            settle(*_rigs(plan, run))


def prepared(names: Iterable[str], settings: Settings) -> dict[str, dict[str, str]]:
    """Bring here what views of a camera are computed with, once; return the digests by view."""
    weights = {name: weights_of(name, settings) for name in VIEWS if name in set(names)}
    for name, digests in weights.items():
        model = VIEWS[name].spec.model
        if model is not None and digests[model]:
            registry.place_champion(settings, model)
        VIEWS[name].prepare(settings.assets, digests)
    return weights


def batches(work: list[ClipWork], size: int) -> Iterator[list[ClipWork]]:
    """Cut the work into batches of one recording each, at most `size` clips, in order of time."""
    for _, group in groupby(work, key=lambda one: (one.clip.recording_id, one.clip.camera_id)):
        clips = list(group)
        for at in range(0, len(clips), size):
            yield clips[at : at + size]


def _rigs(
    plan: FeaturePlan, run: FlowRun
) -> tuple[Callable[..., Any], tuple[Any, ...], list[Batch]]:
    """Return the worker for views of rigs, and the clips they are due for, all cameras together."""
    due = {one.view: one.version for clip in plan.rig_work for one in clip.due}
    inputs = {view: plan.versions[view] for spec in specs(due) for view in spec.inputs}
    snapshot = run.catalog.snapshot()
    arguments = (run.settings, run.flow_run_id, snapshot, inputs, list(due))
    by_clip: dict[str, list[ClipWork]] = {}
    for work in plan.rig_work:
        by_clip.setdefault(work.clip.clip_id, []).append(work)
    cameras: dict[str, list[dict[str, Any]]] = {}
    for row in rows(snapshot, "rig_cameras", {"clip_ids": list(by_clip)}):
        cameras.setdefault(row["clip_id"], []).append(row)
    clips = [
        RigWork(
            tuple(late),
            {row["camera_id"]: (row["width"], row["height"]) for row in cameras[clip_id]},
            cameras[clip_id][0]["calibration"],
        )
        for clip_id, late in by_clip.items()
    ]
    size = run.settings.batch_clips
    cut = [clips[at : at + size] for at in range(0, len(clips), size)]
    return RigExtractor, arguments, list(cut)


def _settle(
    worker: Callable[..., Any],
    arguments: tuple[Any, ...],
    items: Sequence[Batch],
    *,
    run: FlowRun,
    advance: Callable[[int], None],
) -> None:
    """Put batches through a pool of workers and account for every feature that is due in them."""
    cpus = run.settings.cpus
    largest, _ = fitting_cpus(cpus)
    each, threads = shares(largest)
    # A worker without a batch would load its networks for nothing.
    actors = min(ceil(cpus / each), ceil(len(items) / threads))
    for outcome in map_batches_again(
        worker, arguments, items, actors=actors, cpus_per_actor=each, threads=threads
    ):
        if isinstance(outcome, Finished):
            _commit(outcome.result, run)
        else:
            _quarantine_lost(_clips(outcome.item), run)
        advance(sum(len(clip.due) for clip in _clips(outcome.item)))


def shares(cores: float) -> tuple[float, int]:
    """Return the cores that each worker of a machine holds, and how many threads it has.

    As few workers as `MOST_THREADS` allows, as even as whole cores are: what is over is a thread's.
    """
    workers = max(1, ceil(cores / MOST_THREADS))
    if workers == 1:
        return cores, max(1, int(cores))
    return cores // workers, ceil(cores / workers)


def _clips(batch: Batch) -> list[ClipWork]:
    return [clip for one in batch for clip in (one.cameras if isinstance(one, RigWork) else (one,))]


def _commit(found: Extracted, run: FlowRun) -> None:
    run.catalog.commit_files(FEATURES, found.files)
    run.catalog.commit(QUARANTINE, found.quarantine)
    run.ledger.done += found.done
    run.ledger.quarantined += len(found.quarantine)
    run.ledger.frames_header += found.frames_wanted
    run.ledger.frames_decoded += found.frames_decoded
    run.ledger.frames_bad += found.frames_wanted - found.frames_decoded
    run.ledger.bytes_out += sum(file.bytes for file in found.files)
    run.ledger.spend(found.cpu_seconds)


def _quarantine_lost(clips: list[ClipWork], run: FlowRun) -> None:
    why = ("decoder_crashed", "its worker died twice", run.flow_run_id)
    refused = [clip.refusal(due, *why) for clip in clips for due in clip.due]
    run.catalog.commit(QUARANTINE, refused)
    run.ledger.quarantined += len(refused)
