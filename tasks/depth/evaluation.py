"""What came of judging a depth network: errors beside its baselines, scene by scene, as JSON.

Reads and writes nothing and needs no torch. An evaluation cannot be built without its baselines.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from infra.errors import MissingBaselineError

MODEL = "model"
# A plane at the picture's median depth, and "lower in the picture is nearer".
BASELINES = ("plane", "ramp")
MEASURES = ("abs_rel", "delta")


@dataclass(frozen=True)
class DepthScore:
    """One method on one rendered scene: means over its pictures."""

    renderer: str
    scene: int
    method: str  # "model" or a baseline's name
    pictures: int
    abs_rel: float  # after the best scale and shift of the inverse; lower is better
    delta: float  # share of cells within a factor of 1.25 of the truth; higher is better


@dataclass(frozen=True)
class DepthEvaluation:
    """Scores of a network and of its baselines on the same pictures, one row each.

    Raises:
        MissingBaselineError: if any scene lacks a method, or there is none.
    """

    scores: tuple[DepthScore, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods = defaultdict(set)
        for score in self.scores:
            methods[score.renderer, score.scene].add(score.method)
        for (renderer, scene), found in methods.items():
            if missing := {MODEL, *BASELINES} - found:
                raise MissingBaselineError(
                    f"Scene {scene} of renderer {renderer!r} has no score for "
                    f"{', '.join(sorted(missing))}."
                )
        if not methods:
            raise MissingBaselineError("No held-out scene was scored.")

    @property
    def renderers(self) -> tuple[str, ...]:
        """Those scored, in the order of their first row."""
        return tuple(dict.fromkeys(score.renderer for score in self.scores))

    @property
    def abs_rel(self) -> float:
        """The headline: abs-rel of the model, mean over renderers of the mean over scenes."""
        return self.mean(MODEL, "abs_rel")

    def mean(self, method: str, measure: str, renderer: str | None = None) -> float:
        """Mean over scenes; over renderers too, each of equal weight, if none is named."""
        if renderer is None:
            return fmean(self.mean(method, measure, one) for one in self.renderers)
        return fmean(
            getattr(score, measure)
            for score in self.scores
            if (score.renderer, score.method) == (renderer, method)
        )

    def gain_over(self, baseline: str) -> float:
        """Abs-rel of a baseline minus that of the model; above 0 the model is better."""
        return self.mean(baseline, "abs_rel") - self.abs_rel

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a renderer and method, then their means."""
        rows: list[dict[str, str | float | int]] = []
        for renderer in (*self.renderers, None):
            scenes = {
                (score.renderer, score.scene)
                for score in self.scores
                if renderer in (None, score.renderer)
            }
            for method in (MODEL, *BASELINES):
                row: dict[str, str | float | int] = {
                    "renderer": renderer or "mean over renderers",
                    "method": method,
                    "scenes": len(scenes),
                }
                for measure in MEASURES:
                    row[measure] = round(self.mean(method, measure, renderer), 4)
                rows.append(row)
        return rows

    def model_metrics(self) -> dict[str, float]:
        """Flat names of what concerns the model: `heldout.abs_rel`, `heldout.world.delta`."""
        found = {f"heldout.{measure}": self.mean(MODEL, measure) for measure in MEASURES}
        for baseline in BASELINES:
            found[f"heldout.abs_rel_under_{baseline}"] = self.gain_over(baseline)
        for renderer in self.renderers:
            for measure in MEASURES:
                found[f"heldout.{renderer}.{measure}"] = self.mean(MODEL, measure, renderer)
        found["heldout.scenes"] = float(len({(s.renderer, s.scene) for s in self.scores}))
        return found

    def baseline_metrics(self) -> dict[str, float]:
        """Flat names of the baselines on the same pictures: `heldout.plane.abs_rel`."""
        found = {}
        for baseline in BASELINES:
            for measure in MEASURES:
                found[f"heldout.{baseline}.{measure}"] = self.mean(baseline, measure)
                for renderer in self.renderers:
                    name = f"heldout.{renderer}.{baseline}.{measure}"
                    found[name] = self.mean(baseline, measure, renderer)
        return found

    def metrics(self) -> dict[str, float]:
        """Return both, for the model registry."""
        return self.model_metrics() | self.baseline_metrics()

    def remarks(self) -> list[str]:
        """Sentences a reader needs beside the numbers."""
        said = ["Judged on rendered scenes alone: real footage may be harder by far."]
        for renderer in self.renderers:
            for baseline in BASELINES:
                ours, theirs = (self.mean(m, "abs_rel", renderer) for m in (MODEL, baseline))
                if ours >= theirs:
                    said.append(f"On scenes of {renderer!r} it is no better than the {baseline}.")
        return said

    def to_json(self) -> str:
        """Everything needed to build it again; metrics and remarks are there for readers."""
        return json.dumps(asdict(self) | {"metrics": self.metrics(), "remarks": self.remarks()})

    @classmethod
    def from_json(cls, text: str) -> DepthEvaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        return cls(tuple(DepthScore(**score) for score in data["scores"]))
