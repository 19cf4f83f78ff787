"""Promotion gates: what a challenger must show before it serves anyone.

Reads the evaluations that the registry holds; moves the alias `champion`, which nothing else does.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import registry
from infra.errors import ModelNotFoundError
from tasks.presets import MODEL_NAME
from tasks.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.settings import Settings
    from tasks.run_record import FlowRun


@task(cache_policy=NO_CACHE, persist_result=False)
def promote_version(model: str, version: int | None, run: FlowRun) -> dict[str, Any]:
    """Hold a version (the newest if None) against the gates and move the alias if all pass.

    Two promotions at once take turns; the gates are judged inside the turn, against whoever is
    champion then.

    Raises:
        ModelNotFoundError: no such model or version.
        UnknownModelError: this code has no recipe for it.
    """
    settings = run.settings
    with registry.promotion_lock(settings, model):
        challenger = version or _newest(settings, model)
        before = registry.champion_version(settings, model)
        run.ledger.inputs = 1
        if before == challenger:
            run.ledger.cached = 1
            recorded = registry.recorded_gates(settings, model, challenger)
            return _answer(model, challenger, before, before, recorded)
        recipe = recipe_named(model)
        numbers = [challenger] if before is None else [challenger, before]
        named = [registry.version_info(settings, model, number) for number in numbers]
        ours, *champion = recipe.judge(named, run)
        judged = recipe.gates(ours, champion[0] if champion else None)
        gates = [asdict(gate) for gate in judged]
        registry.record_gates(settings, model, challenger, gates)
        if all(gate.passed for gate in judged):
            registry.set_champion(settings, model, challenger)
            run.ledger.done = 1
            return _answer(model, challenger, before, challenger, gates)
        run.ledger.quarantined = 1
        return _answer(model, challenger, before, before, gates)


def _newest(settings: Settings, model: str) -> int:
    found = registry.versions(settings, model)
    if not found:
        command = "stillhouse distill" + (f" --model {model}" if model != MODEL_NAME else "")
        raise ModelNotFoundError(f"The registry has no model {model!r}.", command=command)
    return max(info.version for info in found)


def _answer(
    model: str, version: int, before: int | None, after: int | None, gates: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "model": model,
        "version": version,
        "promoted": after == version,
        "champion_before": before,
        "champion_after": after,
        "gates": list(gates),
    }
