"""Gates of the student: better than itself without a teacher, than every baseline, small and fast.

Pure: two evaluations in, gates out. Judged on the held-out sessions alone (setting "new_rig"), in
mean average precision, as the mean over sessions of paired differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.distiller.evaluation import BASELINES
from tasks.distiller.gates import PEAK_RSS_BYTES, SETTING, champion_gates
from tasks.student.evaluation import SCRATCH
from tasks.training.recipe import Gate

if TYPE_CHECKING:
    from tasks.student.evaluation import StudentEvaluation

# What the issue grants a network for small devices.
MOST_PARAMETERS = 800_000
# A step in eager fp32 on one core. Exported it takes .6 of that (infra/decisions/0022), whose goal
# is 5 ms; eager ones of 112 px took 4.9 ms on a core that did other work besides.
STEP_MS = 10.0


def student_gates(
    challenger: StudentEvaluation, champion: StudentEvaluation | None
) -> tuple[Gate, ...]:
    """Return all gates that two evaluations on the same windows decide."""
    return (
        *beaten_gates(challenger),
        *champion_gates(challenger, champion),
        *budget_gates(challenger),
    )


def beaten_gates(challenger: StudentEvaluation) -> tuple[Gate, ...]:
    """Beat each: `retrieval_over_scratch`, `retrieval_over_pca` and so on; a tie is no win.

    The teacher need not be beaten. Where no held-out query could be scored they fail.
    """
    gates = []
    for baseline in (SCRATCH, *BASELINES["retrieval"]):
        name = f"retrieval_over_{baseline}"
        found = challenger.interval(SETTING, "retrieval", baseline)
        if found is None:
            said = "no held-out session of several cameras could be scored"
            gates.append(Gate.of(name, None, "above", 0.0, said=said))
            continue
        interval = (found.low, found.high)
        gates.append(
            Gate.of(name, found.mean, "above", 0.0, interval=interval, said=found.sentence())
        )
    return tuple(gates)


def budget_gates(challenger: StudentEvaluation) -> tuple[Gate, ...]:
    """Be small and fast: `parameters`, `step_ms`, `peak_rss_gib`."""
    cost = challenger.cost
    peak = cost.get("peak_rss_bytes")
    return (
        Gate.of("parameters", cost.get("parameters"), "at most", MOST_PARAMETERS),
        Gate.of(
            "step_ms",
            cost.get("step_ms"),
            "at most",
            STEP_MS,
            said="of one picture of one camera, CPU time of one core, not exported",
        ),
        Gate.of(
            "peak_rss_gib",
            None if peak is None else peak / 2**30,
            "at most",
            PEAK_RSS_BYTES / 2**30,
            said="of the process that judged it",
        ),
    )
