"""What one run of extract will do: which views, in which version, of which clips.

Reads the catalog and which assets are here; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from catalog.span import SECOND_NS
from infra.errors import AssetMissingError, CatalogEmptyError
from tasks.extraction.clip_work import ClipWork, Due
from tasks.recordings.sources import clip_source
from tasks.views.catalogue import RIG_VIEWS, VIEWS, named_views, specs
from tasks.views.current import missing_assets, view_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.runs.record import FlowRun


@dataclass(frozen=True)
class FeaturePlan:
    """The views wanted, each with its version, and the clips that miss any of them.

    `work` is for views that are computed from decoded clips, `rig_work` for those of several
    calibrated cameras, which come after. `unavailable` maps a view that cannot be computed here to
    the command that mends it.
    """

    versions: dict[str, str]
    work: list[ClipWork] = field(default_factory=list)
    rig_work: list[ClipWork] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many features are to be computed."""
        return sum(len(clip.due) for clip in (*self.work, *self.rig_work))


def asked(versions: dict[str, str], clip_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the parameters of the queries about wanted features."""
    return {
        "views": list(versions),
        "versions": list(versions.values()),
        "givens": [spec.given for spec in specs(versions)],
        "clip_ids": None if clip_ids is None else list(clip_ids),
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_features(view_names: Sequence[str], run: FlowRun) -> FeaturePlan:
    """Ask the catalog which features are missing, and count those that are not.

    A view whose asset is not here is left for a later run where no view was named.

    Raises:
        UnknownViewError: a view does not exist.
        AssetMissingError: a view was named whose asset is not here.
        CatalogEmptyError: nothing has been ingested.
    """
    inputs = [one for spec in specs(view_names) for one in spec.inputs]
    names = list(named_views(list(dict.fromkeys([*inputs, *view_names]))))
    unavailable = missing_assets(names, run.settings.assets)
    if view_names and unavailable:
        name, command = next(iter(unavailable.items()))
        raise AssetMissingError(
            f"The view {name} needs an asset that is not here.", command=command
        )
    versions = view_versions(names, run.settings)
    snapshot = run.catalog.snapshot()
    state = rows(snapshot, "feature_state", asked(versions))
    if not rows(snapshot, "has_clips"):
        raise CatalogEmptyError("The catalog has no clips yet.", command="stillhouse ingest FOLDER")
    able = {name: version for name, version in versions.items() if name not in unavailable}
    work: list[ClipWork] = []
    rig_work: list[ClipWork] = []
    for found in _missing(rows(snapshot, "missing_features", asked(able))):
        for part, views in ((work, VIEWS), (rig_work, RIG_VIEWS)):
            due = tuple(one for one in found.due if one.view in views)
            if due:
                part.append(ClipWork(found.clip, due, found.pixels))
    run.ledger.inputs = sum(view["wanted"] for view in state)
    run.ledger.cached = sum(view["cached"] for view in state)
    run.ledger.quarantined = sum(view["quarantined"] for view in state)
    run.ledger.pending = sum(view["missing"] for view in state if view["view"] in unavailable)
    if unavailable:
        run.ledger.extra["unavailable"] = [f"{name}: {how}" for name, how in unavailable.items()]
    return FeaturePlan(able, work, rig_work, unavailable)


def _missing(found: list[dict[str, Any]]) -> Iterator[ClipWork]:
    """Yield the work of each clip and camera, in order of recording and time."""
    by_clip = groupby(
        found, key=lambda row: (row["recording_id"], row["clip_id"], row["camera_id"])
    )
    for _, group in by_clip:
        missing = list(group)
        due = tuple(Due(row["view"], row["version"], row["given"]) for row in missing)
        yield ClipWork(clip_source(missing[0]), due, _pixels(missing[0]))


def _pixels(row: dict[str, Any]) -> float:
    """Return how many pixels all frames of a clip have, as far as the average rate tells."""
    seconds = (row["end_ns"] - row["start_ns"]) / SECOND_NS
    frames = seconds * row["rate_num"] / max(1, row["rate_den"])
    return float(frames * row["width"] * row["height"])
