"""The ablation ladder: its rungs, its folds over rigs, and the table that comes of them.

Pure. A fold holds out one rig, and with it every session that shares footage with one of it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RIGS = ("caliscope", "pose2sim", "handpose3d")
# What each rung changes of the config; the first is the network as it is.
COMBINER, MEAN = "combiner", "late mean"
RUNGS: dict[str, dict[str, Any]] = {
    COMBINER: {},
    MEAN: {"fusion": "mean"},
    "early concat": {"fusion": "concat"},
    "sum": {"fusion": "sum"},
    "combiner without bottleneck": {"fusion": "tokens"},
    "combiner without RNN": {"recurrent": False},
    "combiner without quantisation": {"quantised": False},
}
# The best of these is a rung: chosen for each measure where the rig is known, at a later time.
SINGLE = "single view: "
VIEWS = ("rgb", "flow", "silhouette", "skeleton", "appearance")
BEST = "best single view"
RUNGS |= {SINGLE + view: {"views": (view,)} for view in VIEWS}
# What is judged, higher is better: application, measure, its heading, decimals.
MEASURES = {
    "target": ("fg_psnr", "target, fg PSNR", 2),
    "view": ("fg_psnr", "view, fg PSNR", 2),
    "retrieval": ("r_at_1", "retrieval R@1", 3),
    "dropout": ("r_at_1", "R@1 of one camera", 3),
}
SETTINGS = {"new_rig": "held-out rig", "same_rig": "training rigs at a later time"}
Values = dict[str, dict[str, float]]  # by setting and application


@dataclass(frozen=True)
class Sessions:
    """A session as a fold needs it."""

    session_id: str
    name: str
    group_id: str
    cameras: int


@dataclass(frozen=True)
class Fold:
    """What is held out, and what is left to learn from."""

    rig: str
    heldout: frozenset[str]
    train: frozenset[str]


@dataclass
class Outcome:
    """One rung on one fold: what it took, and its values beside the best baseline's.

    `cpu_share` says how much of a core the training had; milliseconds may depend on it, the time
    of CPU does not.
    """

    fold: str
    rung: str
    parameters: int
    steps: int
    seconds: float  # of CPU, of training
    cpu_share: float
    values: Values
    baselines: Values
    baseline_names: dict[str, dict[str, str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: what is not a number is null."""
        found = asdict(self)
        for name in ("values", "baselines"):
            found[name] = {
                setting: {k: None if math.isnan(x) else x for k, x in some.items()}
                for setting, some in found[name].items()
            }
        return found

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Outcome:
        """Return what `to_dict` gave."""
        for name in ("values", "baselines"):
            data[name] = {
                setting: {k: math.nan if x is None else x for k, x in some.items()}
                for setting, some in data[name].items()
            }
        return cls(**data)


def folds_of(sessions: Sequence[Sessions]) -> list[Fold]:
    """Return a fold for each rig that is there, of the rigs' sessions and single cameras.

    Raises:
        ValueError: with fewer than two rigs nothing can be held out.
    """
    rigs = {rig: [s for s in sessions if s.name.startswith(f"{rig}/")] for rig in RIGS}
    rigs = {rig: some for rig, some in rigs.items() if any(s.cameras > 1 for s in some)}
    if len(rigs) < 2:
        raise ValueError(f"folds need two of the rigs {RIGS}, there are {tuple(rigs)}")
    found = []
    for rig, some in rigs.items():
        groups = {s.group_id for s in some}
        kin = {s.session_id for s in sessions if s.group_id in groups}
        found.append(
            Fold(
                rig,
                frozenset(s.session_id for s in some if s.cameras > 1),
                frozenset(s.session_id for s in sessions) - kin,
            )
        )
    return found


def with_best_single(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Replace the rungs of one view each by one a fold: the best of them, measure by measure.

    The choice is made on `same_rig`, in which nothing of the held-out rig is seen.
    """
    outcomes = list(outcomes)
    found = [one for one in outcomes if not one.rung.startswith(SINGLE)]
    for fold in dict.fromkeys(one.fold for one in outcomes):
        some = [one for one in outcomes if one.fold == fold and one.rung.startswith(SINGLE)]
        if not some:
            continue
        values: Values = {setting: {} for setting in SETTINGS}
        names: list[str] = []
        for application in MEASURES:
            best = max(some, key=lambda one: _known(one.values, "same_rig", application))
            names.append(best.rung.removeprefix(SINGLE))
            for setting in SETTINGS:
                values[setting][application] = best.values.get(setting, {}).get(
                    application, math.nan
                )
        first = some[0]
        chosen = Outcome(
            fold, BEST, first.parameters, first.steps, first.seconds, first.cpu_share, values, {}
        )
        chosen.baseline_names = {"chosen": dict(zip(MEASURES, names, strict=True))}
        found.append(chosen)
    return found


def table(outcomes: Iterable[Outcome], setting: str) -> str:
    """Return a table in Markdown: a row a rung, cells `mean (each fold)`; best mean in bold."""
    outcomes = with_best_single(outcomes)
    folds = list(dict.fromkeys(one.fold for one in outcomes))
    rungs = list(dict.fromkeys(one.rung for one in outcomes))
    rows = {
        rung: {
            application: [_at(outcomes, rung, fold, setting, application) for fold in folds]
            for application in MEASURES
        }
        for rung in rungs
    }
    heads = [heading for _, heading, _ in MEASURES.values()]
    lines = [
        f"| {SETTINGS[setting]} | parameters | steps | " + " | ".join(heads) + " |",
        "|---" * (3 + len(heads)) + "|",
    ]
    means = {rung: {a: _mean(x) for a, x in row.items()} for rung, row in rows.items()}
    # A rung that was not climbed in every fold is not compared: its mean is of other rigs.
    whole = [r for r in rungs if sum(one.rung == r for one in outcomes) == len(folds)]
    for rung in rungs:
        mine = [one for one in outcomes if one.rung == rung]
        cells = [rung, f"{mine[0].parameters / 1e6:.2f} M", f"{fmean(o.steps for o in mine):.0f}"]
        for application, (_, _, digits) in MEASURES.items():
            most = max((means[r][application] for r in whole), key=_or_least, default=math.nan)
            cell = _cell(rows[rung][application], digits)
            bold = rung in whole and means[rung][application] == most
            cells.append(f"**{cell[0]}**{cell[1]}" if bold else "".join(cell))
        lines.append("| " + " | ".join(cells) + " |")
    lines.append(_baseline_row(outcomes, folds, setting))
    lines.append(f"\nMean over folds, then each fold held out in turn: {', '.join(folds)}.")
    return "\n".join(lines)


def _baseline_row(outcomes: Sequence[Outcome], folds: Sequence[str], setting: str) -> str:
    """The best baseline of each fold, which had the same windows and no training by gradient."""
    cells = ["best baseline", "-", "-"]
    for application, (_, _, digits) in MEASURES.items():
        values, names = [], []
        for fold in folds:
            one = next(o for o in outcomes if o.fold == fold and o.baselines)
            values.append(one.baselines.get(setting, {}).get(application, math.nan))
            names.append(one.baseline_names.get(setting, {}).get(application, ""))
        told = ", ".join(dict.fromkeys(name for name in names if name))
        cells.append("".join(_cell(values, digits)) + (f" {told}" if told else ""))
    return "| " + " | ".join(cells) + " |"


def verdict(outcomes: Iterable[Outcome]) -> list[str]:
    """Say of each measure whether the combiner beats the late mean, by how much, in which folds."""
    outcomes = list(outcomes)
    folds = list(dict.fromkeys(one.fold for one in outcomes))
    said = []
    for application, (_, heading, digits) in MEASURES.items():
        gains = [
            _at(outcomes, COMBINER, fold, "new_rig", application)
            - _at(outcomes, MEAN, fold, "new_rig", application)
            for fold in folds
        ]
        known = [gain for gain in gains if not math.isnan(gain)]
        if not known:
            continue
        word = "beats" if fmean(known) > 0 else "does not beat"
        ahead = sum(gain > 0 for gain in known)
        said.append(
            f"{heading}: the combiner {word} the late mean, by {fmean(known):+.{digits}f}; "
            f"ahead in {ahead} of {len(known)} folds."
        )
    return said


def _at(outcomes: Iterable[Outcome], rung: str, fold: str, setting: str, application: str) -> float:
    for one in outcomes:
        if (one.rung, one.fold) == (rung, fold):
            return one.values.get(setting, {}).get(application, math.nan)
    return math.nan


def _known(values: Values, setting: str, application: str) -> float:
    return _or_least(values.get(setting, {}).get(application, math.nan))


def _or_least(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def _cell(values: Sequence[float], digits: int) -> tuple[str, str]:
    """Return the mean, and each fold's in parentheses; a dash for what was not measured."""

    def told(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.{digits}f}"

    return told(_mean(values)), f" ({', '.join(map(told, values))})"


def best_baselines(
    figures: Mapping[str, Mapping[str, float]], application: str
) -> tuple[str, float]:
    """Return the best of `{method: {application: value}}` and its value; "" where none counts."""
    known = {
        method: some[application]
        for method, some in figures.items()
        if not math.isnan(some.get(application, math.nan))
    }
    if not known:
        return "", math.nan
    best = max(known, key=lambda method: known[method])
    return best, known[best]
