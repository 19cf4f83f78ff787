"""Gates of the distiller: better than every baseline, no worse than the champion, cheap enough.

Pure: two evaluations in, gates out. Judged on the held-out sessions alone (setting "new_rig"), each
application in the measure that decides it, as the mean over sessions of paired differences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tasks.distiller.evaluation import BASELINES, HEADLINE
from tasks.judging.bootstrap import paired_bootstrap
from tasks.judging.window_score import MODEL
from tasks.training.recipe import Gate

if TYPE_CHECKING:
    from tasks.distiller.evaluation import DistillerEvaluation
    from tasks.judging.bootstrap import Interval
    from tasks.judging.window_score import Application, Setting
    from tasks.training.recipe import Bound

SETTING: Setting = "new_rig"
# Every archive has targets; the others need held-out sessions of several cameras. *dropout* has no
# gate: whether fusing cameras pays is said by its curve, not by whether a version may serve.
GATED: tuple[Application, ...] = ("target", "view", "retrieval")

# How much of a mean loss against the champion passes for chance, where there are sessions enough
# to tell: what counts as harm to a picture (.05 dB of foreground PSNR, as for super-resolution),
# and one query in a hundred. With fewer sessions, nothing: see `champion_gates`.
MARGINS: dict[Application, float] = {"target": 0.05, "view": 0.05, "retrieval": 0.01}

# A step of the session grid lasts 80 ms. A core that needs a quarter of that to encode a camera
# leaves the rest to decoding and to the views, which take longer; preset laptop took 4 to 11 ms a
# step with five other jobs on the machine, preset ci 1 to 2.
ENCODE_MS_PER_STEP = 20.0
# What the whole product keeps to: a machine of 8 GiB has room for its user beside it.
PEAK_RSS_BYTES = 4 << 30


def distiller_gates(
    challenger: DistillerEvaluation, champion: DistillerEvaluation | None
) -> tuple[Gate, ...]:
    """Return all gates that two evaluations on the same windows decide."""
    return (
        *baseline_gates(challenger),
        *champion_gates(challenger, champion),
        *budget_gates(challenger),
    )


def baseline_gates(
    challenger: DistillerEvaluation, gated: tuple[Application, ...] = GATED
) -> tuple[Gate, ...]:
    """Beat each mandatory baseline: `target_over_pca` and so on; a tie is no win.

    The first of the `gated` applications must have been judged. The others are where held-out
    sessions of several cameras gave scores.
    """
    gates = []
    for application in gated:
        names = [f"{application}_over_{baseline}" for baseline in BASELINES[application]]
        if (SETTING, application) in challenger.judged:
            for name, baseline in zip(names, BASELINES[application], strict=True):
                found = challenger.interval(SETTING, application, baseline)
                gates.append(_gate(name, found, "above", 0.0))
        elif application == gated[0]:
            gates += [_gate(name, None, "above", 0.0) for name in names]
    return tuple(gates)


def champion_gates(
    challenger: DistillerEvaluation,
    champion: DistillerEvaluation | None,
    gated: tuple[Application, ...] = GATED,
) -> tuple[Gate, ...]:
    """Be no worse than the champion on the same windows: `target_over_champion` and so on.

    Under six held-out sessions the mean decides: it must not be below 0. From six on it may be
    below by a margin (`MARGINS`) as long as the interval reaches 0: then the loss is small and may
    be chance. An interval wholly below 0 refuses, however small the loss. So neither noise keeps
    an equal model out, nor can a long line of promotions each give a little away unnoticed where
    there is too little material to notice. Without a champion the gates pass.
    """
    gates = []
    for application in gated:
        name = f"{application}_over_champion"
        if (SETTING, application) not in challenger.judged:
            continue
        if champion is None:
            gates.append(Gate.of(name, 0.0, "at least", 0.0, said="there is no champion"))
            continue
        measure = HEADLINE[application]
        ours, theirs = (
            one.values(SETTING, application, MODEL, measure) for one in (challenger, champion)
        )
        pieces = [{(s, p) for s, values in one.items() for p in values} for one in (ours, theirs)]
        if pieces[0] != pieces[1]:
            said = "they were not judged on the same windows"
            gates.append(Gate.of(name, None, "at least", 0.0, said=said))
            continue
        differences = {s: [x - theirs[s][p] for p, x in v.items()] for s, v in ours.items()}
        found = paired_bootstrap(differences) if differences else None
        gates.append(_no_worse(name, found, MARGINS[application]))
    return tuple(gates)


def _no_worse(name: str, found: Interval | None, margin: float) -> Gate:
    if found is None or not found.claimable:
        gate = _gate(name, found, "at least", 0.0)
        return replace(gate, said=f"{gate.said}; the mean alone decides")
    gate = _gate(name, found, "at least", -margin)
    if found.high < 0:
        return replace(gate, passed=False, said=f"{gate.said}; the interval lies below 0")
    return gate


def budget_gates(challenger: DistillerEvaluation) -> tuple[Gate, ...]:
    """Encode in time and memory: `encode_ms_per_step`, `peak_rss_gib`.

    Milliseconds are those of one core for one step of one camera, the worst over the numbers of
    cameras that were timed; `cost` has CPU time for whole windows.
    """
    cost, prefix = challenger.cost, "encode_ms_"
    steps = cost.get("window_steps", 1.0)
    shares = {
        int(name.removeprefix(prefix)): value / steps / int(name.removeprefix(prefix))
        for name, value in cost.items()
        if name.startswith(prefix)
    }
    slowest = max(shares, key=lambda count: shares[count], default=0)
    said = f"of windows of {slowest} cameras" if shares else "nothing was timed"
    peak = cost.get("peak_rss_bytes")
    return (
        Gate.of(
            "encode_ms_per_step", shares.get(slowest), "at most", ENCODE_MS_PER_STEP, said=said
        ),
        Gate.of(
            "peak_rss_gib",
            None if peak is None else peak / 2**30,
            "at most",
            PEAK_RSS_BYTES / 2**30,
            said="of the process that judged it" if peak else "it was not measured",
        ),
    )


def _gate(name: str, found: Interval | None, bound: Bound, threshold: float) -> Gate:
    if found is None:
        return Gate.of(name, None, bound, threshold, said="no held-out window could be scored")
    interval = (found.low, found.high)
    return Gate.of(name, found.mean, bound, threshold, interval=interval, said=found.sentence())
