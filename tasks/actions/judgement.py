"""What came of judging a head of actions: what it said beside what is true, and its baselines.

Reads and writes nothing and needs no torch. It cannot be built without its baselines.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np

from infra.errors import MissingBaselineError
from models.label_scores import macro_f1, top1

MODEL = "model"
# The class that was met most in training; a linear probe by ridge on the embedding; and what
# `action_peers.py` tells from each camera alone, and from the place alone.
BASELINES = ("majority", "ridge", "first_camera", "late_mean", "early_concat", "background")
# Fewer sessions than this support a table, not a claim of significance.
SESSIONS_FOR_A_CLAIM = 6


@dataclass(frozen=True, slots=True)
class Told:
    """What one method said of one session's windows, classes as numbers."""

    session: str
    method: str
    truth: tuple[int, ...]
    said: tuple[int, ...]


@dataclass(frozen=True)
class ActionJudgement:
    """Answers of the head and its baselines. `protocol` is `heldout`, `folds` or `none`.

    `heldout`: sessions held out of everything. `folds`: no such session has labels, so groups of
    held-in sessions are left out in turn. `none`: no class is in two of these; nothing is known.

    Raises:
        MissingBaselineError: a session lacks a method.
    """

    protocol: str
    names: tuple[str, ...]
    told: tuple[Told, ...]
    train_windows: int
    train_sessions: int

    def __post_init__(self) -> None:
        """Refuse answers without their baselines."""
        methods: dict[str, set[str]] = defaultdict(set)
        for one in self.told:
            methods[one.session].add(one.method)
        for session, found in methods.items():
            if missing := {MODEL, *BASELINES} - found:
                raise MissingBaselineError(
                    f"Session {session} has no answers of {', '.join(sorted(missing))}."
                )

    @property
    def sessions(self) -> tuple[str, ...]:
        """Those judged."""
        return tuple(dict.fromkeys(one.session for one in self.told))

    def top1(self, method: str) -> float | None:
        """Mean over sessions of the share that was told right; None if none was judged."""
        found = [
            top1(np.array(one.said), np.array(one.truth))
            for one in self.told
            if one.method == method
        ]
        return fmean(found) if found else None

    def macro_f1(self, method: str) -> float | None:
        """Mean over classes of F1, over all sessions together: one may lack a class."""
        found = [one for one in self.told if one.method == method]
        if not found:
            return None
        said, truth = (
            np.array([k for one in found for k in getattr(one, name)]) for name in ("said", "truth")
        )
        return macro_f1(said, truth)

    def model_metrics(self) -> dict[str, float]:
        """What concerns the model."""
        counts = {
            f"{self.protocol}.sessions": float(len(self.sessions)),
            "train.windows": float(self.train_windows),
            "train.sessions": float(self.train_sessions),
            "classes": float(len(self.names)),
        }
        return counts | self._scores(MODEL, self.protocol)

    def baseline_metrics(self) -> dict[str, float]:
        """What concerns its baselines."""
        found: dict[str, float] = {}
        for name in BASELINES:
            found |= self._scores(name, f"{self.protocol}.{name}")
        return found

    def metrics(self) -> dict[str, float]:
        """Everything, under flat names."""
        return self.model_metrics() | self.baseline_metrics()

    def _scores(self, method: str, prefix: str) -> dict[str, float]:
        found = {"top1": self.top1(method), "macro_f1": self.macro_f1(method)}
        return {f"{prefix}.{name}": value for name, value in found.items() if value is not None}

    def table(self) -> list[dict[str, str | float | int]]:
        """One row a session and method."""
        return [
            {
                "protocol": self.protocol,
                "session": one.session,
                "method": one.method,
                "items": len(one.truth),
                "top1": round(top1(np.array(one.said), np.array(one.truth)), 4),
                "macro_f1": round(macro_f1(np.array(one.said), np.array(one.truth)), 4),
            }
            for one in self.told
        ]

    def remarks(self) -> list[str]:
        """Say what may not be concluded."""
        found = []
        if self.protocol == "none":
            found.append("No class is in two unrelated sessions: how good it is, is not known.")
        if (ours := self.top1(MODEL)) is not None and ours <= (self.top1("background") or 0.0):
            found.append("The place alone tells as much: this is no recognition of what happens.")
        if self.protocol == "folds":
            found.append("No held-out session has labels: held-in ones were left out in turn.")
        if 0 < len(self.sessions) < SESSIONS_FOR_A_CLAIM:
            found.append(f"{len(self.sessions)} sessions are a table, no claim of significance.")
        return found

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ActionJudgement:
        """Return what `to_json` wrote.

        Raises:
            MissingBaselineError: its baselines were taken away.
        """
        found = json.loads(text)
        told = tuple(
            Told(one["session"], one["method"], tuple(one["truth"]), tuple(one["said"]))
            for one in found.pop("told")
        )
        return cls(**found | {"told": told, "names": tuple(found["names"])})
