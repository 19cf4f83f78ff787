"""What came of judging a style network: its scores beside its peers', session by session, as JSON.

Reads and writes nothing and needs no torch. An evaluation cannot be built without its baselines.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from infra.errors import MissingBaselineError
from tasks.superresolution.evaluation import SESSIONS_FOR_A_CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "model"
TEACHER, EMA, SOURCE = "teacher", "teacher_ema", "source"
# The teacher frame by frame, its mean over frames, and the footage as it is.
BASELINES = (TEACHER, EMA, SOURCE)
NAMED, PICTURE = "named", "picture"
KINDS = (NAMED, PICTURE)
MEASURES = ("warping", "style", "edges")
DEFINITION = (
    "In its own styles the distance is to what the teacher paints of the frame: the teacher's is 0 "
    "by definition. A blurred picture is steady too: read warping and style together."
)


@dataclass(frozen=True)
class StyleScore:
    """One method in one style on one clip of one camera: means over its frames."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    kind: str  # "named": one of the network's own styles; "picture": that of a picture
    style: str
    method: str  # "model" or a baseline's name
    frames: int
    warping: float  # warping error by that of the footage; 1 is as steady as the footage
    style_distance: float  # Gram distance to the style by that of the footage; 0 is the style
    edges: float  # SSIM of edge strength with the footage's
    ms_per_frame: float  # of CPU


@dataclass(frozen=True)
class StyleEvaluation:
    """Scores of a network and of its baselines on the same frames, one row each.

    Raises:
        MissingBaselineError: if any clip lacks a method in any style, or a kind of style is absent.
    """

    scores: tuple[StyleScore, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods = defaultdict(set)
        for score in self.scores:
            methods[score.clip_id, score.camera_id, score.style].add(score.method)
        for (clip, _, style), found in methods.items():
            if missing := {MODEL, *BASELINES} - found:
                raise MissingBaselineError(
                    f"Clip {clip} in style {style!r} has no score for {', '.join(sorted(missing))}."
                )
        if missing := set(KINDS) - {score.kind for score in self.scores}:
            raise MissingBaselineError(f"No clip was scored in a style of {sorted(missing)}.")

    @property
    def sessions(self) -> tuple[str, ...]:
        """Session ids, in the order of their first row."""
        return tuple(dict.fromkeys(score.session_id for score in self.scores))

    def mean(
        self, method: str, measure: str, kind: str | None = None, session: str | None = None
    ) -> float:
        """Mean over sessions of their means over clips and styles, of one kind or of both alike."""
        if session is None:
            return fmean(self.mean(method, measure, kind, one) for one in self.sessions)
        if kind is None:
            return fmean(self.mean(method, measure, one, session) for one in KINDS)
        return fmean(_value(score, measure) for score in self._of(method, kind, session))

    def _of(self, method: str, kind: str, session: str) -> Iterator[StyleScore]:
        for score in self.scores:
            if (score.method, score.kind, score.session_id) == (method, kind, session):
                yield score

    def steadier_than(self, baseline: str = TEACHER) -> float:
        """Warping error of a baseline minus the model's; above 0 the model is steadier."""
        return self.mean(baseline, "warping") - self.mean(MODEL, "warping")

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a session, kind of style and method; the last block is the mean over sessions."""
        names = {score.session_id: score.session_name for score in self.scores}
        rows: list[dict[str, str | float | int]] = []
        for session in (*self.sessions, None):
            for kind in KINDS:
                for method in (MODEL, *BASELINES):
                    row: dict[str, str | float | int] = {
                        "session": names[session] if session else "mean over sessions",
                        "styles": kind,
                        "method": method,
                    }
                    for measure in MEASURES:
                        row[measure] = round(self.mean(method, measure, kind, session), 4)
                    rows.append(row)
        return rows

    def model_metrics(self) -> dict[str, float]:
        """Flat names of what concerns the model: `heldout.warping`, `heldout.named.style`."""
        found = {f"heldout.{measure}": self.mean(MODEL, measure) for measure in MEASURES}
        for kind in KINDS:
            for measure in MEASURES:
                found[f"heldout.{kind}.{measure}"] = self.mean(MODEL, measure, kind)
        found["heldout.steadier_than_teacher"] = self.steadier_than()
        found["heldout.ms_per_frame"] = self.mean(MODEL, "ms_per_frame")
        found["heldout.sessions"] = float(len(self.sessions))
        return found

    def baseline_metrics(self) -> dict[str, float]:
        """Flat names of the baselines on the same frames: `heldout.teacher.warping`."""
        measures = (*MEASURES, "ms_per_frame")
        return {
            f"heldout.{baseline}.{measure}": self.mean(baseline, measure)
            for baseline in BASELINES
            for measure in measures
        }

    def metrics(self) -> dict[str, float]:
        """Return both, for the model registry."""
        return self.model_metrics() | self.baseline_metrics()

    def remarks(self) -> list[str]:
        """Sentences a reader needs beside the numbers."""
        said = [DEFINITION]
        if len(self.sessions) < SESSIONS_FOR_A_CLAIM:
            said.append(
                f"Held-out sessions: {len(self.sessions)}, fewer than {SESSIONS_FOR_A_CLAIM}; "
                "no claim of significance is made."
            )
        unsteadier = [name for name in (TEACHER, EMA) if self.steadier_than(name) <= 0]
        return said + [f"The model is no steadier than {name}." for name in unsteadier]

    def to_json(self) -> str:
        """Everything needed to build it again; metrics and remarks are there for readers."""
        return json.dumps(asdict(self) | {"metrics": self.metrics(), "remarks": self.remarks()})

    @classmethod
    def from_json(cls, text: str) -> StyleEvaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        data: dict[str, Any] = json.loads(text)
        return cls(tuple(StyleScore(**score) for score in data["scores"]))


def _value(score: StyleScore, measure: str) -> float:
    return float(score.style_distance if measure == "style" else getattr(score, measure))
