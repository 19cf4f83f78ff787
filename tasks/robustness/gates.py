"""Gates of robustness: what a version that was judged under damage must show before it serves.

Reads the table `robustness`; moves nothing. A version that was not judged passes, and its gate says
so: value none, read as "not measured". Judging takes minutes, and promotion does not wait for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.robustness.cells import ACCURACIES, cells_of
from tasks.robustness.protocols import is_judged, known_rows, protocol_of
from tasks.robustness.report import FLOORS, Robustness
from tasks.training.recipe import Gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.registry import ModelVersion
    from tasks.runs.record import FlowRun

# No worse than the peer under the same damage in half of the cells, at the least.
MIN_NO_HARM = 0.5
# *dropout* has no gate here, as it has none without damage: its curve says whether fusing pays.
GATED = ("retrieval", "action", "target", "view", "super-resolution")


def robustness_trials(versions: Sequence[ModelVersion], run: FlowRun) -> tuple[Gate, ...]:
    """Return the gates of a challenger, the first, and its champion, if there is one.

    They compare where both were judged in every core cell on the same held-out footage, by the
    same code.
    """
    challenger = versions[0]
    if not is_judged(challenger.name):
        return ()
    found = [_core(version, run) for version in versions]
    ours = found[0]
    if isinstance(ours, str):
        command = f"stillhouse evaluate --model {challenger.name} --version {challenger.version}"
        return (unmeasured("robust", f"{ours}: {command} --robustness core"),)
    return robustness_gates(ours, found[1] if len(versions) > 1 else None)


def _core(version: ModelVersion, run: FlowRun) -> Robustness | str:
    """Return what a version scored in the core cells, or why that is not known."""
    protocol = protocol_of(version, None, run)
    rows = known_rows(run, version.digest, protocol.judged)
    wanted = {one.id(version.digest, protocol.judged) for one in cells_of("core", rig=protocol.rig)}
    chosen = [row for row in rows if row["cell_id"] in wanted]
    there = len({row["cell_id"] for row in chosen})
    if there < len(wanted):
        return f"{there} of {len(wanted)} cells"
    return Robustness(version.name, chosen)


def robustness_gates(ours: Robustness, champion: Robustness | str | None) -> tuple[Gate, ...]:
    """Return the gates that two results decide; a champion may be absent, or not measured (why).

    Pictures: `robust_<application>_no_harm`, the share of cells in which the model loses at most
    .05 dB to its peer. Accuracies: `robust_<application>_mpc`. Each has a floor, and must not be
    below the champion's.
    """
    gates = []
    for application in ours.applications:
        accuracy = application in ACCURACIES
        if application not in GATED or not ours.kinds(application):
            continue
        name = f"robust_{application.replace('-', '_')}_{'mpc' if accuracy else 'no_harm'}"
        value = _value(ours, application)
        if accuracy:
            floor = round(ours.mpc(application, method=FLOORS[application]), 4)
            said = f"{value:.3f}, {FLOORS[application]} {floor:.3f}"
            gates.append(Gate.of(name, value, "above", floor, said=said))
        else:
            said = f"of {len(ours.differences(application))} cells and sessions"
            gates.append(Gate.of(name, value, "at least", MIN_NO_HARM, said=said))
        over = f"{name}_over_champion"
        if isinstance(champion, str):
            gates.append(unmeasured(over, f"of the champion: {champion}"))
        elif champion is None:
            gates.append(Gate.of(over, 0.0, "at least", 0.0, said="there is no champion"))
        else:
            gates.append(Gate.of(over, value - _value(champion, application), "at least", 0.0))
    return tuple(gates)


def _value(found: Robustness, application: str) -> float:
    if application in ACCURACIES:
        return found.mpc(application)
    return found.no_harm_rate(application)


def unmeasured(name: str, said: str) -> Gate:
    """Return a gate that had nothing to measure, and why: it passes, and is read as such."""
    return replace(Gate.of(name, None, "at least", 0.0, said=said), passed=True)
