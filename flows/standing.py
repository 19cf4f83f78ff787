"""Whether there is anything to do, and what it would cost, asked without starting a flow.

Reads the archive's listing, the catalog and the registry; writes nothing. A Prefect server takes
7 s to start and Ray 5 s: a run that would find every stage current need not start either.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.comparison import FINGERPRINTS
from flows.demo_search import demo_search
from flows.demo_steps import REQUIRED, generations, models, served_by
from infra import registry
from infra.errors import StillhouseError
from infra.observability import PeakMemory, Stopwatch
from tasks.applications.catalogue import application_of
from tasks.codes.encode_estimate import reindex_estimate
from tasks.codes.encode_plan import plan_codes
from tasks.codes.presets import ENCODERS
from tasks.codes.refine_estimate import refine_estimate
from tasks.codes.refine_plan import plan_refine
from tasks.extraction.estimate import extract_estimate, ingest_estimate
from tasks.extraction.plan import plan_features
from tasks.generation.plan import plan_generations
from tasks.generation.requests import Encoding
from tasks.ingest.plan import plan_ingest
from tasks.labels.labelling import plan_labels
from tasks.runs.record import FlowRun
from tasks.sample import held_sample, sample_labels
from tasks.sessions.sessions import form_sessions
from tasks.training.distill import describe, plan_distill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flows.demo_steps import Generation
    from infra.settings import Settings

    Plan = Callable[[FlowRun], dict[str, Any] | None]


def standing(settings: Settings, preset: str, *, synthetic: bool) -> dict[str, Any] | None:
    """Return what the demo returns if every stage is current, None if any has work to do.

    The stages' own plans are asked, so what is current here is what a run would find current.
    """
    archive = held_sample(settings, synthetic=synthetic)
    if archive is None:
        return None
    stages: dict[str, dict[str, Any]] = {}
    for name, plan in _plans(archive, preset, stages, synthetic=synthetic):
        found = _asked(name, plan, settings)
        if found is None:
            return None
        stages[name] = found
    return {"archive": archive, "stages": stages, "search": demo_search(settings)}


def _plans(
    archive: str, preset: str, stages: Mapping[str, dict[str, Any]], *, synthetic: bool
) -> Iterator[tuple[str, Plan]]:
    """Yield the plan of each stage of the demo, in their order."""
    yield "ingest", lambda run: _ingest(archive, run)
    yield "extract", lambda run: {} if not plan_features.fn((), run).work else None
    labels = sample_labels(synthetic=synthetic)
    if labels is not None:
        yield "label", partial(_label, labels)
    for model, size in models(preset, synthetic=synthetic).items():
        yield f"distill {model}", partial(_distill, size, model)
        yield f"promote {model}", partial(_promote, stages[f"distill {model}"])
        if model in ENCODERS:
            yield "reindex", lambda run: {} if not plan_codes.fn(None, run).work else None
    for one in generations(synthetic=synthetic):
        yield one.stage, partial(_generate, one, stages)


def ingest_standing(settings: Settings, archive: str) -> dict[str, Any] | None:
    """Return what an ingest returns if the catalog knows all of an archive, else None."""
    return _asked("ingest", lambda run: _ingest(archive, run), settings)


def ingest_plan(settings: Settings, archive: str) -> dict[str, Any]:
    """Return what an ingest would do and cost; nothing is committed.

    Raises:
        ArchiveNotFoundError, ArchiveUnreadableError, ArchiveEmptyError: nothing can be ingested.
    """
    run = FlowRun("ingest", settings)
    return ingest_estimate(plan_ingest.fn(archive, run), run)


def extract_plan(settings: Settings, views: Sequence[str]) -> dict[str, Any]:
    """Return what an extract would do and cost; nothing is committed.

    Raises:
        UnknownViewError, CatalogEmptyError: there is nothing to plan.
    """
    run = FlowRun("extract", settings)
    return extract_estimate(plan_features.fn(views, run), run)


def reindex_plan(settings: Settings, model: str | None) -> dict[str, Any]:
    """Return what a reindex would do and cost; nothing is committed.

    Raises:
        CatalogEmptyError, NoChampionError, ModelNotFoundError: there is nothing to plan.
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
    """
    run = FlowRun("reindex", settings)
    return reindex_estimate(plan_codes.fn(model, run), run)


def refine_plan(
    settings: Settings, method: str, model: str, evaluations: int, seed: int
) -> dict[str, Any]:
    """Return what refining the codes that serve would do and cost; nothing is committed.

    Raises:
        UnknownMethodError, NoCodesError, CodesWithoutBytesError: there is nothing to plan.
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
    """
    run = FlowRun("refine", settings)
    return refine_estimate(plan_refine.fn(method, run, model, evaluations, seed), run)


def generate_plan(
    settings: Settings,
    application: str,
    select: str,
    model: str | None,
    options: Mapping[str, Any],
    encoding: Mapping[str, Any],
) -> dict[str, Any]:
    """Return how many videos would be made of a selection; nothing is committed.

    Raises:
        UnknownApplicationError, ApplicationOptionError, InputFileError: it cannot be asked so.
        SelectionInvalidError, SelectionEmptyError, NoChampionError: there is nothing to plan.
    """
    run = FlowRun("generate", settings)
    asked = application_of(application, options)
    plan = plan_generations.fn(asked, select, model, Encoding(**encoding), run)
    return {
        "dry_run": True,
        "videos": run.ledger.inputs - len(plan.refused),
        "current": run.ledger.cached,
        "to_make": len(plan.due),
        "refused": dict(Counter(one.reason for one in plan.refused)),
        "model": plan.model and plan.model.uri,
    }


def _asked(name: str, plan: Plan, settings: Settings) -> dict[str, Any] | None:
    """Ask one stage; a stage that refuses has work to do, and says so when it is run."""
    run, watch = FlowRun(name, settings), Stopwatch()
    with PeakMemory() as memory, watch.stage(name):
        try:
            found = plan(run)
        except StillhouseError:
            return None
    if found is None:
        return None
    run.ledger.seconds = round(watch.seconds[name], 3)
    run.ledger.peak_rss_bytes = memory.peak_rss_bytes
    run.ledger.check()
    # No flow ran, so there is no flow run to name and no row in the ledger.
    stamp = {"flow_run_id": None, "snapshot": run.catalog.snapshot().versions}
    return stamp | run.ledger.report() | found


def _ingest(archive: str, run: FlowRun) -> dict[str, Any] | None:
    plan = plan_ingest.fn(archive, run)
    if not plan.is_idle:
        return None
    form_sessions.fn(plan, FINGERPRINTS.empty_table(), run)
    return {}


def _label(file: str, run: FlowRun) -> dict[str, Any] | None:
    plan = plan_labels.fn(Path(file), run)
    run.ledger.cached, run.ledger.quarantined = plan.cached, len(plan.refused)
    return None if plan.spans else {}


def _distill(preset: str, model: str, run: FlowRun) -> dict[str, Any] | None:
    plan = plan_distill.fn(preset, run, model)
    return None if plan.version is None else describe(run.settings, plan.version, model)


def _promote(distilled: Mapping[str, Any], run: FlowRun) -> dict[str, Any] | None:
    model, version = distilled["model"], distilled["version"]
    champion = registry.champion_version(run.settings, model)
    info = registry.version_info(run.settings, model, version)
    gates = registry.recorded_gates(info)
    promoted = champion == version
    if not promoted and (model in REQUIRED or not gates):
        return None
    run.ledger.inputs = 1
    run.ledger.cached, run.ledger.quarantined = int(promoted), int(not promoted)
    return {
        "model": model,
        "version": version,
        "promoted": promoted,
        "champion_before": champion,
        "champion_after": champion,
        "gates": gates,
        "rolled_back": False,
    }


def _generate(
    one: Generation, stages: Mapping[str, dict[str, Any]], run: FlowRun
) -> dict[str, Any] | None:
    asked = application_of(one.application, one.options)
    model = asked.model and served_by(
        asked.model, stages[f"distill {asked.model}"], stages[f"promote {asked.model}"]
    )
    plan = plan_generations.fn(asked, one.select, model, Encoding(), run)
    return None if plan.due else {"model": plan.model and plan.model.uri, "files": []}
