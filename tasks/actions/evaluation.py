"""What came of probing codes for actions: what was said beside what is true, as tables.

Reads and writes nothing and needs no torch. An evaluation cannot be built without its baselines.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from infra.errors import MissingBaselineError
from models.label_scores import macro_f1, top1

Protocol = Literal["same_view", "cross_view"]

MODEL = "model"
BASELINES = ("majority", "late_mean", "early_concat", "sum", "background")
# Each camera by itself is a method of its own: "camera 0".
CAMERA = "camera "
MEASURES = ("top1", "macro_f1")


@dataclass(frozen=True, slots=True)
class ActionScore:
    """What one method said of one session's windows, each class a number.

    `same_view` trains and tests on all cameras, `cross_view` tests on one that it did not train on.
    `shots` are the labelled windows a class in training, 0 all there are.
    """

    protocol: Protocol
    shots: int
    method: str
    session: str
    truth: tuple[int, ...]
    said: tuple[int, ...]


@dataclass(frozen=True)
class ActionEvaluation:
    """Scores of the code and of its baselines on the same windows.

    Raises:
        MissingBaselineError: if a session lacks a method, or there is none.
    """

    scores: tuple[ActionScore, ...]

    def __post_init__(self) -> None:
        """Refuse scores without their baselines."""
        methods: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        for score in self.scores:
            methods[score.protocol, score.shots, score.session].add(score.method)
        for (protocol, shots, session), found in methods.items():
            missing = {MODEL, *BASELINES} - found
            if not any(name.startswith(CAMERA) for name in found):
                missing.add(f"{CAMERA}0")
            if missing:
                raise MissingBaselineError(
                    f"Session {session} has no score for {', '.join(sorted(missing))} "
                    f"({protocol}, {shots or 'all'} labels a class)."
                )
        if not methods:
            raise MissingBaselineError("No labelled window was scored.")

    @property
    def judged(self) -> tuple[tuple[Protocol, int], ...]:
        """Protocols and shots, in the order of their first row."""
        return tuple(dict.fromkeys((score.protocol, score.shots) for score in self.scores))

    @property
    def methods(self) -> tuple[str, ...]:
        """Those scored, in the order of their first row."""
        return tuple(dict.fromkeys(score.method for score in self.scores))

    @property
    def sessions(self) -> tuple[str, ...]:
        """Those judged, in the order of their first row."""
        return tuple(dict.fromkeys(score.session for score in self.scores))

    def top1(
        self, protocol: Protocol, shots: int, method: str, session: str | None = None
    ) -> float:
        """Mean over sessions (or of one) of the share that was told right."""
        return fmean(
            top1(np.array(score.said), np.array(score.truth))
            for score in self._of(protocol, shots, method)
            if session in (None, score.session)
        )

    def macro_f1(self, protocol: Protocol, shots: int, method: str) -> float:
        """Mean over classes of F1, over all sessions together: one may lack a class."""
        found = self._of(protocol, shots, method)
        said, truth = (
            np.array([one for score in found for one in getattr(score, name)])
            for name in ("said", "truth")
        )
        return macro_f1(said, truth)

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a protocol, shots and method: both measures, and top-1 of the worst session."""
        rows: list[dict[str, str | float | int]] = []
        for protocol, shots in self.judged:
            for method in self.methods:
                found = self._of(protocol, shots, method)
                rows.append(
                    {
                        "protocol": protocol,
                        "shots": shots,
                        "method": method,
                        "items": sum(len(score.truth) for score in found),
                        "top1": round(self.top1(protocol, shots, method), 4),
                        "macro_f1": round(self.macro_f1(protocol, shots, method), 4),
                        "worst": round(
                            min(self.top1(protocol, shots, method, s) for s in self.sessions), 4
                        ),
                    }
                )
        return rows

    def _of(self, protocol: Protocol, shots: int, method: str) -> list[ActionScore]:
        return [
            score
            for score in self.scores
            if (score.protocol, score.shots, score.method) == (protocol, shots, method)
        ]
