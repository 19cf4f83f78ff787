"""What came of judging a distiller: scores beside their baselines, means, tables, JSON.

Reads and writes nothing and needs no torch. An evaluation cannot be built of pieces that lack a
mandatory baseline; `distiller_metrics.py` names its metrics, `distiller_report.py` its table and
its remarks.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from infra.errors import MissingBaselineError
from tasks.distiller.metrics import baseline_metrics_of, model_metrics_of, numbers_of
from tasks.distiller.report import remarks_of, table_of
from tasks.judging.bootstrap import paired_bootstrap
from tasks.judging.window_score import (
    APPLICATIONS,
    MODEL,
    SETTINGS,
    Application,
    Piece,
    Setting,
    WindowScore,
)

if TYPE_CHECKING:
    from tasks.judging.bootstrap import Interval

# Without these no piece is taken; other methods may stand beside them.
BASELINES: dict[Application, tuple[str, ...]] = {
    "target": ("median", "pca"),
    "view": ("median", "nearest", "blend", "homography", "pca"),
    "retrieval": ("pixels", "pca", "mcca", "single_view"),
    "dropout": ("late_mean", "concat_zeros"),
}
_PICTURE, _RANKING = ("fg_psnr", "psnr", "ssim", "haarpsi"), ("r_at_1", "r_at_5", "r_at_10", "map")
# Higher is better in all of them. The first of pictures and the last of rankings decide.
MEASURES: dict[Application, tuple[str, ...]] = {
    "target": _PICTURE,
    "view": _PICTURE,
    "retrieval": _RANKING,
    "dropout": _RANKING,
}
HEADLINE: dict[Application, str] = {
    "target": "fg_psnr",
    "view": "fg_psnr",
    "retrieval": "map",
    "dropout": "map",
}


@dataclass(frozen=True)
class DistillerEvaluation:
    """Scores of a distiller and of its baselines on the same pieces, one row each.

    `cost` is what the code takes: milliseconds, bytes, parameters, by name.

    Raises:
        MissingBaselineError: if a piece lacks a method that its application must have, or there
            is none.
        ValueError: if a method was scored twice on one piece.
    """

    precision: str
    threads: int
    scores: tuple[WindowScore, ...]
    cost: dict[str, float]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods: dict[tuple[Setting, Application, Piece], list[str]] = defaultdict(list)
        for score in self.scores:
            methods[score.setting, score.application, score.piece].append(score.method)
        for (setting, application, piece), found in methods.items():
            where = f"camera {piece[2]} of clip {piece[0]} from step {piece[1]} ({setting})"
            if missing := {MODEL, *BASELINES[application]} - set(found):
                raise MissingBaselineError(
                    f"Application {application!r}, {where}: no score for "
                    f"{', '.join(sorted(missing))}."
                )
            if len(set(found)) < len(found):
                raise ValueError(f"application {application!r}, {where}: a method came twice")
        if not methods:
            raise MissingBaselineError("No window was scored.")

    @cached_property
    def groups(self) -> dict[tuple[Setting, Application, str], list[WindowScore]]:
        """The scores of each method on each application in each setting."""
        groups: dict[tuple[Setting, Application, str], list[WindowScore]] = defaultdict(list)
        for score in self.scores:
            groups[score.setting, score.application, score.method].append(score)
        return dict(groups)

    @property
    def judged(self) -> tuple[tuple[Setting, Application], ...]:
        """The settings and applications there are scores of, in the order of their names here."""
        found = {(score.setting, score.application) for score in self.scores}
        return tuple((s, a) for s in SETTINGS for a in APPLICATIONS if (s, a) in found)

    def methods(self, setting: Setting, application: Application) -> tuple[str, ...]:
        """Those scored: the model, its mandatory baselines, then the others by name."""
        found = {method for s, a, method in self.groups if (s, a) == (setting, application)}
        first = (MODEL, *BASELINES[application])
        return (*first, *sorted(found - set(first)))

    def measures(self, application: Application) -> tuple[str, ...]:
        """Those of an application, then what else was measured, by name."""
        found = {
            name
            for score in self.scores
            if score.application == application
            for name in score.measures
        }
        first = MEASURES[application]
        return (*first, *sorted(found - set(first)))

    def sessions(self, setting: Setting, application: Application | None = None) -> dict[str, str]:
        """Ids and names of the sessions scored (in one application), in order of first row."""
        return {
            score.session_id: score.session_name
            for score in self.scores
            if score.setting == setting and application in (None, score.application)
        }

    def values(
        self, setting: Setting, application: Application, method: str, measure: str
    ) -> dict[str, dict[Piece, float]]:
        """Return `{session id: {piece: value}}`, without what was not a number."""
        found: dict[str, dict[Piece, float]] = {}
        for score in self.groups.get((setting, application, method), []):
            value = score.measures.get(measure, math.nan)
            if not math.isnan(value):
                found.setdefault(score.session_id, {})[score.piece] = value
        return found

    def session_mean(
        self, session_id: str, setting: Setting, application: Application, method: str, measure: str
    ) -> float:
        """Mean over the pieces of one session that count; not a number if none does."""
        values = self.values(setting, application, method, measure)
        return fmean(values[session_id].values()) if session_id in values else math.nan

    def mean(self, setting: Setting, application: Application, method: str, measure: str) -> float:
        """Mean over sessions of their means: a long session weighs no more than a short one."""
        return _mean_of_means(self.values(setting, application, method, measure))

    def differences(
        self, setting: Setting, application: Application, baseline: str, measure: str | None = None
    ) -> dict[str, list[float]]:
        """Return the model minus a baseline on each piece that both are counted on, by session.

        In the application's deciding measure unless one is named.
        """
        name = measure or HEADLINE[application]
        ours, theirs = (self.values(setting, application, m, name) for m in (MODEL, baseline))
        found = {
            session: [x - theirs[session][piece] for piece, x in values.items() if piece in other]
            for session, values in ours.items()
            if (other := theirs.get(session))
        }
        return {session: values for session, values in found.items() if values}

    def gain(
        self, setting: Setting, application: Application, baseline: str, measure: str | None = None
    ) -> float:
        """Mean over sessions of the mean difference; above 0 the model is better."""
        found = self.differences(setting, application, baseline, measure)
        return fmean(map(fmean, found.values())) if found else math.nan

    def interval(
        self, setting: Setting, application: Application, baseline: str, measure: str | None = None
    ) -> Interval | None:
        """Return how sure the gain is, by bootstrap; nothing where no piece is counted."""
        found = self.differences(setting, application, baseline, measure)
        return paired_bootstrap(found) if found else None

    def dropout_curve(
        self, setting: Setting, method: str, measure: str = "map"
    ) -> dict[int, float]:
        """Return `{cameras given: mean over sessions}` of the application *dropout*."""
        by_count: dict[int, dict[str, dict[Piece, float]]] = defaultdict(dict)
        for session, values in self.values(setting, "dropout", method, measure).items():
            for piece, value in values.items():
                by_count[piece[3]].setdefault(session, {})[piece] = value
        return {count: _mean_of_means(by_count[count]) for count in sorted(by_count)}

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a setting, application, session and method; means over sessions last.

        What was not measured is an empty string.
        """
        return table_of(self)

    def model_metrics(self) -> dict[str, float]:
        """Flat names of what concerns the model: see `distiller_metrics.py`."""
        return model_metrics_of(self)

    def baseline_metrics(self) -> dict[str, float]:
        """Flat names of the baselines on the same pieces: `heldout.new_rig.target.median.psnr`."""
        return baseline_metrics_of(self)

    def metrics(self) -> dict[str, float]:
        """Return both, for the model registry."""
        return self.model_metrics() | self.baseline_metrics()

    def remarks(self) -> list[str]:
        """Sentences a reader needs beside the numbers: what may not be concluded from them."""
        return remarks_of(self)

    def to_json(self) -> str:
        """Everything needed to build it again; metrics and remarks are there for readers.

        What is not a number is null.
        """
        scores = [asdict(score) for score in self.scores]
        for score in scores:
            score["measures"] = {
                name: None if math.isnan(x) else x for name, x in score["measures"].items()
            }
        data = {
            "precision": self.precision,
            "threads": self.threads,
            "cost": numbers_of(self.cost),
            "scores": scores,
            "metrics": self.metrics(),
            "remarks": self.remarks(),
        }
        return json.dumps(data, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> DistillerEvaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        for score in data["scores"]:
            measures = score["measures"].items()
            score["measures"] = {name: math.nan if x is None else x for name, x in measures}
        scores = tuple(WindowScore(**score) for score in data["scores"])
        return cls(data["precision"], data["threads"], scores, data["cost"])


def _mean_of_means(values: dict[str, dict[Piece, float]]) -> float:
    return fmean(fmean(one.values()) for one in values.values()) if values else math.nan
