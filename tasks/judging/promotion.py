"""Promotion gates: what a challenger must show before it serves anyone.

Reads the evaluations that the registry holds; moves the alias `champion`, which nothing else does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import registry
from infra.errors import ModelNotFoundError
from infra.past_runs import tracking_errors
from tasks.judging.general_gates import unchanged_gate
from tasks.judging.trials import record_trials
from tasks.robustness.gates import robustness_trials
from tasks.superresolution.presets import MODEL_NAME
from tasks.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.settings import Settings
    from tasks.runs.record import FlowRun
    from tasks.training.recipe import Gate


@task(cache_policy=NO_CACHE, persist_result=False)
def promote_version(model: str, version: int | None, run: FlowRun) -> dict[str, Any]:
    """Hold a version (the newest if None) against the gates and move the alias if all pass.

    It is judged against whoever is champion when it begins. Of two promotions at once one wins;
    the other finds at the end that the champion is another one than it was compared with, and is
    refused by the gate `champion_unchanged`.

    Raises:
        ModelNotFoundError: no such model or version.
        UnknownModelError: this code has no recipe for it.
        TrackingUnavailableError: MLflow fails.
    """
    settings = run.settings
    with tracking_errors(settings):
        challenger = version or _newest(settings, model)
        before = registry.champion_version(settings, model)
        run.ledger.inputs = 1
        if before == challenger:
            run.ledger.cached = 1
            return _answer(
                model, challenger, before, before, _recorded(settings, model, challenger)
            )
        gates = _judged(model, challenger, before, run)
        with registry.promotion_lock(settings, model):
            return _decided(model, challenger, before, gates, run)


def _judged(model: str, challenger: int, champion: int | None, run: FlowRun) -> tuple[Gate, ...]:
    recipe = recipe_named(model)
    numbers = [challenger] if champion is None else [challenger, champion]
    named = [registry.version_info(run.settings, model, number) for number in numbers]
    ours, *theirs = recipe.judge(named, run)
    return (
        *recipe.gates(ours, theirs[0] if theirs else None),
        *recipe.trials(named[0], run),
        *record_trials(named[0], run),
        *robustness_trials(named, run),
    )


def _decided(
    model: str, challenger: int, before: int | None, gates: tuple[Gate, ...], run: FlowRun
) -> dict[str, Any]:
    """Record the verdict and move the alias, if nobody else has moved it; hold the lock."""
    settings = run.settings
    now = registry.champion_version(settings, model)
    if now == challenger:
        # Another promotion of the same version was first.
        run.ledger.cached = 1
        return _answer(model, challenger, before, now, _recorded(settings, model, challenger))
    if now != before:
        gates = (*gates, unchanged_gate(before, now))
    verdict = [gate.to_dict() for gate in gates]
    info = registry.version_info(settings, model, challenger)
    registry.record_gates(settings, info, verdict, before)
    if all(gate.passed for gate in gates):
        registry.set_champion(settings, model, challenger)
        run.ledger.done, now = 1, challenger
    else:
        run.ledger.quarantined = 1
    return _answer(model, challenger, before, now, verdict)


@task(cache_policy=NO_CACHE, persist_result=False)
def roll_back(model: str, run: FlowRun) -> dict[str, Any]:
    """Give `champion` back to the version that had it before; answer as a promotion does.

    The version that loses it is no longer the newest that a promotion takes by itself.

    Raises:
        NoChampionError: there was none before.
        TrackingUnavailableError: MLflow fails.
    """
    settings = run.settings
    with tracking_errors(settings):
        before, back = registry.rollback(settings, model)
        run.ledger.inputs = run.ledger.done = 1
        return _answer(
            model, back, before, back, _recorded(settings, model, back), rolled_back=True
        )


def _recorded(settings: Settings, model: str, version: int) -> list[dict[str, Any]]:
    return registry.recorded_gates(registry.version_info(settings, model, version))


def _newest(settings: Settings, model: str) -> int:
    found = registry.newest(settings, model)
    if found is None:
        command = "stillhouse distill" + (f" --model {model}" if model != MODEL_NAME else "")
        raise ModelNotFoundError(f"The registry has no model {model!r}.", command=command)
    return found


def _answer(
    model: str,
    version: int,
    before: int | None,
    after: int | None,
    gates: Sequence[dict[str, Any]],
    *,
    rolled_back: bool = False,
) -> dict[str, Any]:
    return {
        "model": model,
        "version": version,
        "promoted": after == version,
        "champion_before": before,
        "champion_after": after,
        "gates": list(gates),
        "rolled_back": rolled_back,
    }
