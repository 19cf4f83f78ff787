"""What came of judging a student: retrieval beside its baselines, and how much of a gap it closed.

Reads and writes nothing and needs no torch. An evaluation cannot be built of queries that lack the
teacher, the same network trained without one, or any baseline of retrieval.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.errors import MissingBaselineError
from tasks.distiller.evaluation import DistillerEvaluation
from tasks.distiller.metrics import numbers_of
from tasks.judging.window_score import MODEL, SETTINGS

if TYPE_CHECKING:
    from tasks.judging.window_score import Piece, Setting

TEACHER, SCRATCH = "teacher", "scratch"
# What its queries find among the teacher's codes: a device asks an archive that is indexed.
ASKS_TEACHER = "asks_teacher"
MEASURES = ("map", "r_at_1")
# Where the teacher is ahead of scratch by less, the difference is noise, and any share of it too.
LEAST_GAP = 0.01
_SAID = {"new_rig": "rigs never seen", "same_rig": "training rigs at a later time"}


@dataclass(frozen=True)
class StudentEvaluation(DistillerEvaluation):
    """Scores of a student, its teacher, its control and its baselines on the same queries.

    Raises:
        MissingBaselineError: if a query lacks a method, or there is none.
        ValueError: if a method was scored twice on one query.
    """

    def __post_init__(self) -> None:
        """Refuse scores without the teacher and the control."""
        super().__post_init__()
        found: dict[tuple[Setting, Piece], set[str]] = defaultdict(set)
        for score in self.scores:
            found[score.setting, score.piece].add(score.method)
        for (setting, piece), methods in found.items():
            if missing := {TEACHER, SCRATCH} - methods:
                raise MissingBaselineError(
                    f"A query of camera {piece[2]} of clip {piece[0]} from step {piece[1]} "
                    f"({setting}) has no score for {', '.join(sorted(missing))}."
                )

    def gap_closed(self, setting: Setting, measure: str, method: str = MODEL) -> float:
        """(S - S_scratch) / (T - S_scratch), of means over sessions.

        1 is the teacher, 0 what the network learns by itself in as many minutes. Not a number where
        the teacher is not ahead of that.
        """
        ours, scratch, teacher = (
            self.mean(setting, "retrieval", name, measure) for name in (method, SCRATCH, TEACHER)
        )
        gap = teacher - scratch
        return (ours - scratch) / gap if gap >= LEAST_GAP else math.nan

    def model_metrics(self) -> dict[str, float]:
        """Add `heldout.new_rig.retrieval.gap_closed.map` and so on."""
        gaps = {
            f"heldout.{setting}.retrieval.gap_closed.{measure}": self.gap_closed(setting, measure)
            for setting, _ in self.judged
            for measure in MEASURES
        }
        return super().model_metrics() | numbers_of(gaps)

    def remarks(self) -> list[str]:
        """Say first how much of the gap was closed, or that there was none."""
        judged = {setting for setting, _ in self.judged}
        return [*(self._gap_said(s) for s in SETTINGS if s in judged), *super().remarks()]

    def _gap_said(self, setting: Setting) -> str:
        teacher, scratch = (
            self.mean(setting, "retrieval", name, "map") for name in (TEACHER, SCRATCH)
        )
        share = self.gap_closed(setting, "map")
        told = f"teacher {teacher:.3f}, without a teacher {scratch:.3f} mean average precision"
        if math.isnan(share):
            return f"On {_SAID[setting]} there is no gap to close: {told}."
        return f"On {_SAID[setting]} the student closes {share:.0%} of the gap: {told}."

    @classmethod
    def from_json(cls, text: str) -> StudentEvaluation:
        """The inverse of `to_json`; derived figures are derived again.

        Raises:
            MissingBaselineError: if baseline rows were removed.
        """
        found = DistillerEvaluation.from_json(text)
        return cls(found.precision, found.threads, found.scores, json.loads(text)["cost"])
