"""Robustness: has Ray judge a model version in every cell that was not judged yet, and tells it.

Reads the catalog, the archive and the registry; writes the table `robustness`, a commit a cell, and
figures, tables and heat maps of the version's MLflow run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from catalog.schemas.robustness import ROBUSTNESS
from infra import registry
from infra.errors import ModelNotFoundError
from infra.observability import log_facts, progress
from infra.past_runs import past_run, tracking_errors
from infra.ray_cluster import Finished, connect, map_batches
from tasks.damage.corruptions import CORRUPTIONS, is_trained
from tasks.robustness.cells import cells_of
from tasks.robustness.picture import robustness_picture
from tasks.robustness.protocols import known_rows, protocol_of
from tasks.robustness.remarks import remarks_of
from tasks.robustness.report import HELD_OUT, TRAINED, Robustness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.registry import ModelVersion
    from tasks.robustness.cells import Cell
    from tasks.robustness.protocols import Protocol
    from tasks.runs.record import FlowRun

FOLDER = "robustness"
CELL_COLUMNS = ("application", "corruption", "scope", "severity", "method", "measure")


@dataclass(frozen=True)
class RobustnessPlan:
    """The cells that were asked for, and those of them that are missing."""

    version: ModelVersion
    protocol: Protocol
    cells: tuple[Cell, ...]
    missing: tuple[Cell, ...]


def version_asked(run: FlowRun, model: str, version: int | None) -> ModelVersion:
    """Return a version of a model, the newest that was not rolled back if None.

    Raises:
        ModelNotFoundError: there is none.
    """
    number = version or registry.newest(run.settings, model)
    if number is None:
        raise ModelNotFoundError(
            f"The registry has no model {model!r}.", command=f"stillhouse distill --model {model}"
        )
    return registry.version_info(run.settings, model, number)


@task(cache_policy=NO_CACHE, persist_result=False)
def plan_robustness(
    model: str,
    version: int | None,
    level: str,
    run: FlowRun,
    *,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    windows: int | None = None,
) -> RobustnessPlan:
    """Choose the cells, and tell which are missing.

    Raises:
        UsageError, UnknownCorruptionError: there is no such set, corruption or severity.
        ModelNotFoundError: no such model or version.
        TrackingUnavailableError: MLflow does not answer.
    """
    # Before anything is asked of MLflow: a mistyped name costs no 3 s.
    cells_of(level, corruptions, severities)
    with tracking_errors(run.settings):
        found = version_asked(run, model, version)
    protocol = protocol_of(found, windows, run)
    cells = cells_of(level, corruptions, severities, rig=protocol.rig)
    known = {row["cell_id"] for row in known_rows(run, found.digest, protocol.judged)}
    missing = tuple(one for one in cells if one.id(found.digest, protocol.judged) not in known)
    run.ledger.inputs = len(cells)
    run.ledger.cached = len(cells) - len(missing)
    return RobustnessPlan(found, protocol, cells, missing)


@task(cache_policy=NO_CACHE, persist_result=False)
def judge_cells(plan: RobustnessPlan, run: FlowRun, workers: int | None = None) -> None:
    """Judge every missing cell and commit it; a killed run has lost the cells in hand.

    Raises:
        ModelInvalidError, ModelArchitectureError: the model cannot be used.
        ComputeUnavailableError: Ray does not start, or workers die as they do.
    """
    if not plan.missing:
        return
    settings = run.settings
    with tracking_errors(settings):
        folder = registry.download(settings, plan.version)
    connect(settings)
    arguments = plan.protocol.arguments(str(folder))
    actors = min(workers or settings.cpus, len(plan.missing))
    todo = list(plan.missing)
    with progress("evaluate", len(todo), "cells") as bar:
        # One whose process died is tried once more.
        for again in (False, True):
            lost = []
            for outcome in map_batches(plan.protocol.worker, arguments, todo, actors=actors):
                if isinstance(outcome, Finished):
                    _commit(outcome.item, outcome.result, plan, run)
                    run.ledger.done += 1
                elif not again:
                    lost.append(outcome.item)
                    continue
                else:
                    log_facts("cell_failed", cell=str(outcome.item), reason=outcome.reason)
                    run.ledger.failed += 1
                bar.advance(1)
            todo = lost
            if not todo:
                return


def _commit(cell: Cell, found: list[dict[str, Any]], plan: RobustnessPlan, run: FlowRun) -> None:
    whose = {
        "cell_id": cell.id(plan.version.digest, plan.protocol.judged),
        "model": plan.version.name,
        "model_version": plan.version.version,
        "model_digest": plan.version.digest,
        "judged": plan.protocol.judged,
        "corruption": cell.corruption,
        "severity": cell.severity,
        "scope": cell.scope,
        "flow_run_id": run.flow_run_id,
        "created_ns": time.time_ns(),
    }
    run.catalog.commit(ROBUSTNESS, [whose | row for row in found])


@task(cache_policy=NO_CACHE, persist_result=False)
def tell_robustness(plan: RobustnessPlan, run: FlowRun) -> dict[str, Any]:
    """Return the figures of the cells that were asked for, and keep them with the version's run.

    Raises:
        TrackingUnavailableError: MLflow fails; the scores are in the catalog.
    """
    version = plan.version
    asked = {one.id(version.digest, plan.protocol.judged) for one in plan.cells}
    known = known_rows(run, version.digest, plan.protocol.judged)
    found = Robustness(version.name, [row for row in known if row["cell_id"] in asked])
    pictures = {
        f"{FOLDER}/{name}.png": robustness_picture(
            found, name, f"{version.name} v{version.version}"
        )
        for name in found.applications
        if found.kinds(name)
    }
    summary, remarks = found.summary(), remarks_of(found)
    with tracking_errors(run.settings, "The scores are in the table robustness."):
        if version.run_id:
            tracked = past_run(run.settings, version.run_id)
            tracked.log_metrics(found.metrics())
            tracked.log_json(
                {"judged": plan.protocol.judged, "summary": summary, "remarks": remarks},
                f"{FOLDER}/summary.json",
            )
            for path, picture in pictures.items():
                tracked.log_picture(picture, path)
    return {
        "model": version.name,
        "version": version.version,
        "mlflow_run_id": version.run_id,
        "judged": plan.protocol.judged,
        "metrics": found.metrics(),
        "summary": summary,
        "cells": cell_table(found),
        "pictures": list(pictures),
        "remarks": remarks,
    }


def cell_table(found: Robustness) -> list[dict[str, Any]]:
    """Return one row a corruption, scope, severity, application and method: means over sessions.

    Corruptions that training never saw come first.
    """
    table: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in found.scored:
        key = tuple(row[name] for name in CELL_COLUMNS)
        table.setdefault(key, []).append(dict(row))
    order = {name: k for k, name in enumerate(CORRUPTIONS)}
    cells = [
        dict(zip(CELL_COLUMNS, key, strict=True))
        | {
            "types": TRAINED if is_trained(key[1], found.model) else HELD_OUT,
            "value": fmean(row["value"] for row in rows),
            "undamaged": fmean(row["undamaged"] for row in rows),
            "sessions": len(rows),
        }
        for key, rows in table.items()
    ]
    return sorted(
        cells,
        key=lambda cell: (
            found.applications.index(cell["application"]),
            cell["types"],
            order[cell["corruption"]],
            *(cell[name] for name in CELL_COLUMNS[2:]),
        ),
    )
