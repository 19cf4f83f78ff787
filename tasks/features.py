"""Features: plans what is missing, computes it in Ray by one decode a clip, commits the files.

Reads the catalog and the archive; writes Parquet files of the table `features` (by the workers)
and rows of `quarantine` (by the driver). `extractor.py` is the worker's side.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.schemas.features import FEATURES
from catalog.schemas.quarantine import QUARANTINE
from catalog.schemas.view_versions import VIEW_VERSIONS
from catalog.span import SECOND_NS
from infra.assets import pinned_digest
from infra.errors import CatalogEmptyError
from infra.observability import progress
from infra.ray_cluster import Finished, connect, map_batches
from tasks.decode import decoder_build
from tasks.extractor import ClipWork, Extracted, Extractor
from tasks.sources import clip_source
from tasks.views.catalogue import named_views
from tasks.views.version import key_parts, view_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.run_record import FlowRun
    from tasks.views.view import ViewKind

STAGE = "extract"


class FeaturePlan:
    """What one run of extract will do: the views wanted, and the clips that miss any of them."""

    def __init__(self, versions: dict[str, str], work: list[ClipWork]) -> None:
        self.versions = versions
        self.work = work

    @property
    def missing(self) -> int:
        """How many features are to be computed."""
        return sum(len(clip.views) for clip in self.work)


def view_versions(names: Sequence[str]) -> dict[str, str]:
    """Return the current version of each named view (all of them if none is named)."""
    return {
        name: view_version(kind, _weights(kind), decoder_build())
        for name, kind in named_views(names).items()
    }


def _weights(kind: ViewKind) -> dict[str, str]:
    return {asset: pinned_digest(asset) for asset in kind.spec.assets}


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_features(view_names: Sequence[str], run: FlowRun) -> FeaturePlan:
    """Ask the catalog which features are missing, and count those that are not.

    Raises:
        UnknownViewError: a view does not exist.
        CatalogEmptyError: nothing has been ingested.
    """
    versions = view_versions(view_names)
    snapshot = run.catalog.snapshot()
    wanted = {"views": list(versions), "versions": list(versions.values()), "clip_ids": None}
    state = rows(snapshot, "feature_state", wanted)
    if not state:
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    by_clip = groupby(
        rows(snapshot, "missing_features", wanted),
        key=lambda row: (row["recording_id"], row["clip_id"], row["camera_id"]),
    )
    work = []
    for _, group in by_clip:
        missing = list(group)
        views = tuple((row["view"], row["version"]) for row in missing)
        work.append(ClipWork(clip_source(missing[0]), views, _pixels(missing[0])))
    plan = FeaturePlan(versions, work)
    run.ledger.inputs = sum(view["wanted"] for view in state)
    run.ledger.cached = sum(view["cached"] for view in state)
    run.ledger.quarantined = sum(view["quarantined"] for view in state)
    return plan


def _pixels(row: dict[str, Any]) -> float:
    """Return how many pixels all frames of a clip have, as far as the average rate tells."""
    seconds = (row["end_ns"] - row["start_ns"]) / SECOND_NS
    frames = seconds * row["rate_num"] / max(1, row["rate_den"])
    return float(frames * row["width"] * row["height"])


@task(cache_policy=NO_CACHE, persist_result=False)
def compute_features(plan: FeaturePlan, run: FlowRun) -> None:
    """Compute every missing feature and commit it; what cannot be read goes to quarantine.

    A batch whose worker died is tried again clip by clip; a clip that kills its worker alone is
    quarantined as `decoder_crashed`.
    """
    if not plan.work:
        return
    settings = run.settings
    for kind in named_views(list(plan.versions)).values():
        kind.prepare(settings.assets)
    run.catalog.commit(VIEW_VERSIONS, _version_rows(plan.versions, run))
    connect(settings)
    busy = _Busy()
    with progress("extract", plan.missing, "features") as bar:
        lost: list[ClipWork] = []
        for outcome in _extract(
            plan, list(batches(plan.work, settings.batch_clips)), settings.cpus, run
        ):
            if isinstance(outcome, Finished):
                _commit(outcome.result, run, busy)
                bar.advance(sum(len(clip.views) for clip in outcome.item))
            else:
                lost += outcome.item
        for outcome in _extract(plan, [[clip] for clip in lost], 1, run):
            if isinstance(outcome, Finished):
                _commit(outcome.result, run, busy)
            else:
                _quarantine_lost(outcome.item[0], run)
            bar.advance(len(outcome.item[0].views))
    run.ledger.extra |= busy.report()


def _version_rows(versions: dict[str, str], run: FlowRun) -> list[dict[str, str]]:
    """Return what each version is made of, so that a later change of it can be named."""
    return [
        key_parts(kind, _weights(kind), decoder_build())
        | {"view": name, "version": versions[name], "flow_run_id": run.flow_run_id}
        for name, kind in named_views(list(versions)).items()
    ]


def batches(work: list[ClipWork], size: int) -> Iterator[list[ClipWork]]:
    """Cut the work into batches of one recording each, at most `size` clips, in order of time."""
    for _, group in groupby(work, key=lambda one: (one.clip.recording_id, one.clip.camera_id)):
        clips = list(group)
        for at in range(0, len(clips), size):
            yield clips[at : at + size]


def _extract(
    plan: FeaturePlan, work: list[list[ClipWork]], threads: int, run: FlowRun
) -> Iterator[Any]:
    # One actor with a thread per core: every kernel releases the GIL, so two threads reach .97
    # of two bare threads, where two actors reach .89 and Ray Data 1.35/2.04 of it.
    return map_batches(
        Extractor,
        (run.settings, run.flow_run_id, tuple(plan.versions)),
        work,
        actors=1,
        cpus_per_actor=run.settings.cpus,
        threads=threads,
    )


class _Busy:
    """CPU seconds that workers spent, by what they were doing."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, found: dict[str, float]) -> None:
        for name, value in found.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + value

    def report(self) -> dict[str, float]:
        return {f"cpu_{name}_s": round(value, 3) for name, value in sorted(self.seconds.items())}


def _commit(found: Extracted, run: FlowRun, busy: _Busy) -> None:
    run.catalog.commit_files(FEATURES, found.files)
    run.catalog.commit(QUARANTINE, found.quarantine)
    run.ledger.done += found.done
    run.ledger.quarantined += len(found.quarantine)
    run.ledger.frames_header += found.frames_wanted
    run.ledger.frames_decoded += found.frames_decoded
    run.ledger.frames_bad += found.frames_wanted - found.frames_decoded
    run.ledger.bytes_out += sum(file.bytes for file in found.files)
    busy.add(found.cpu_seconds)


def _quarantine_lost(work: ClipWork, run: FlowRun) -> None:
    why = ("decoder_crashed", "its worker died twice", run.flow_run_id, time.time_ns())
    refused = [work.refusal(view, version, *why) for view, version in work.views]
    run.catalog.commit(QUARANTINE, refused)
    run.ledger.quarantined += len(refused)
