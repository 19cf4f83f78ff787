"""Promotion gates: what a challenger must show before it serves anyone.

Reads the evaluations that the registry holds; moves the alias `champion`, which nothing else does.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from infra import registry
from infra.errors import ModelNotFoundError
from tasks.judging import compare_on_heldout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.settings import Settings
    from tasks.evaluation import Evaluation
    from tasks.run_record import FlowRun

# A challenger must be this much better than bicubic on held-out sessions, in dB of luma.
MIN_GAIN_DB = 0.0
# ... and may not be worse than the champion on the same held-out clips.
MIN_OVER_CHAMPION_DB = 0.0


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was measured, what it must be above, and whether it is."""

    name: str
    value: float
    threshold: float
    passed: bool


def baseline_gate(challenger: Evaluation) -> Gate:
    """Beat bicubic on held-out Y-PSNR, mean over sessions; a tie is no win."""
    gain = challenger.gain_over("bicubic")
    return Gate("psnr_y_over_bicubic", round(gain, 4), MIN_GAIN_DB, gain > MIN_GAIN_DB)


def champion_gate(challenger: Evaluation, champion: Evaluation | None) -> Gate:
    """Be no worse than the champion on the same held-out clips; without a champion it passes."""
    if champion is None:
        return Gate("psnr_y_over_champion", 0.0, MIN_OVER_CHAMPION_DB, passed=True)
    gain = challenger.psnr_y - champion.psnr_y
    return Gate(
        "psnr_y_over_champion", round(gain, 4), MIN_OVER_CHAMPION_DB, gain >= MIN_OVER_CHAMPION_DB
    )


@task(cache_policy=NO_CACHE, persist_result=False)
def promote_version(model: str, version: int | None, run: FlowRun) -> dict[str, Any]:
    """Hold a version (the newest if None) against the gates and move the alias if all pass.

    Two promotions at once take turns; the gates are judged inside the turn, against whoever is
    champion then.

    Raises:
        ModelNotFoundError: no such model or version.
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
        pair = compare_on_heldout(model, challenger, before, run)
        judged = (baseline_gate(pair.challenger), champion_gate(pair.challenger, pair.champion))
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
        raise ModelNotFoundError(
            f"The registry has no model {model!r}.", command="stillhouse distill"
        )
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
