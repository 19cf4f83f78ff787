"""What one run of refine will do: which codes, by which method, to which version.

Reads the catalog and the registry; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.query import rows
from infra import registry
from infra.errors import CodesWithoutBytesError, NoCodesError, UnknownMethodError
from tasks.codes.refining import WINDOWS, RefineWork, Refining, base_of
from tasks.codes.serving import serving_of
from tasks.codes.targets import picture_spec
from tasks.views.catalogue import view_named
from tasks.views.current import view_versions
from tasks.windows.clip_index import indexed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from catalog.snapshot import Snapshot
    from tasks.runs.record import FlowRun


@dataclass(frozen=True, slots=True)
class RefinePlan:
    """The clips whose codes of the base are not refined yet, read from one snapshot."""

    refining: Refining
    snapshot: Snapshot
    work: list[RefineWork]


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_refine(
    method: str, run: FlowRun, model: str, evaluations: int, seed: int = 0
) -> RefinePlan:
    """Ask the catalog which codes that serve are not refined so yet, and count the others.

    Where refined codes serve, those that they were refined from are refined, not they.

    Raises:
        UnknownMethodError: there is no such method.
        NoCodesError: no codes of the model serve.
        CodesWithoutBytesError: its codes are vectors alone.
        ModelNotFoundError: the registry has lost the version that made them.
    """
    from models.refinement import OFFERED, chosen

    if method not in OFFERED:
        raise UnknownMethodError(
            f"There is no method {method!r}; there are {', '.join(OFFERED)}.",
            command="stillhouse distill --method refine",
        )
    snapshot = run.catalog.snapshot()
    refining = refining_by(snapshot, run, model, chosen(method), evaluations, seed)
    state = refine_state(snapshot, refining)
    bare = [row for row in state if row["is_without_bytes"]]
    if bare:
        raise CodesWithoutBytesError(
            f"The codes of {refining.model.uri} have no bytes: a code that is a vector alone has "
            f"no symbols to change ({len(bare)} of {len(state)} clips).",
            command="stillhouse show codes",
        )
    fresh = [row for row in state if not row["is_there"] and not row["is_refused"]]
    ready = {row["clip_id"]: row for row in fresh if not row["is_lacking"]}
    run.ledger.inputs = len(state)
    run.ledger.cached = sum(row["is_there"] and not row["is_refused"] for row in state)
    # Also where the code that it had is carried on: it is not refined.
    run.ledger.quarantined = sum(row["is_refused"] for row in state)
    run.ledger.pending = len(fresh) - len(ready)
    if run.ledger.pending:
        run.ledger.extra["pending_until"] = "stillhouse extract"
    sessions = {row["session_id"] for row in ready.values()}
    clips = indexed(snapshot, "", run.settings.grid_step_ns, sessions) if sessions else []
    work = [
        RefineWork(clip, row["end_ns"], row["given"], row["windows"])
        for clip in clips
        if (row := ready.get(clip.clip_id)) is not None
    ]
    return RefinePlan(refining, snapshot, work)


def refining_by(
    snapshot: Snapshot, run: FlowRun, model: str, method: str, evaluations: int, seed: int
) -> Refining:
    """Return how the codes of a model that serve are refined here.

    Raises:
        NoCodesError: none do.
        CodesWithoutBytesError: they are not of windows of pictures.
        ModelNotFoundError: the registry has lost the version that made them.
    """
    serving = serving_of(snapshot, model)
    if serving is None:
        raise NoCodesError(
            f"No codes of the model {model!r} serve yet.", command="stillhouse reindex"
        )
    base = base_of(serving) or serving["version"]
    made = registry.version_info(run.settings, model, serving["model_version"])
    if not WINDOWS.match(serving["windows"] or ""):
        raise CodesWithoutBytesError(
            f"The codes of {made.uri} are not a distiller's: they have no symbols to change.",
            command="stillhouse show codes",
        )
    # The parts but `windows` are the base's own; of `windows` the beginning is.
    (view,) = picture_spec(1).views
    return Refining(
        model=made,
        base=base,
        based=serving,
        pictures=view_versions([view], run.settings)[view],
        method=method,
        evaluations=evaluations,
        seed=seed,
    )


def is_refined(snapshot: Snapshot, serving: Mapping[str, Any], version: str) -> bool:
    """Tell whether what serves is `version`, refined, and of every current clip that has that."""
    if base_of(serving) != version:
        return False
    names = {"model": serving["model"], "base": version, "version": serving["version"]}
    # Which pictures it was refined to does not matter here.
    state = rows(snapshot, "refine_state", names | {"view": "", "pictures": "", "kind": ""})
    return all(row["is_there"] or row["is_refused"] for row in state)


def refine_state(snapshot: Snapshot, refining: Refining) -> list[dict[str, Any]]:
    """Return every current clip with codes of the base, and whether it is refined."""
    ((view, pictures),) = refining.views.items()
    asked = {
        "model": refining.model.name,
        "base": refining.base,
        "version": refining.version,
        "view": view,
        "pictures": pictures,
        "kind": view_named(view).spec.given,
    }
    return rows(snapshot, "refine_state", asked)
