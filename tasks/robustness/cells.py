"""The cells of robustness: one corruption at one severity, and what was scored in it.

Pure, and without torch. `robustness_codes.py` and `robustness_clips.py` fill them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from catalog.ids import digest
from infra.errors import UsageError
from tasks.damage.corruptions import (
    CORE,
    CORE_SEVERITIES,
    CORRUPTIONS,
    SEVERITIES,
    corruption_named,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.damage.corruptions import Scope

Level = Literal["core", "full"]
LEVELS: tuple[Level, ...] = ("core", "full")
SCOPES: tuple[Scope, ...] = ("one", "all", "view")

# What decides in each application, and which are accuracies (the others are dB).
MEASURES = {
    "target": "fg_psnr",
    "view": "fg_psnr",
    "super-resolution": "psnr_y",
    "retrieval": "map",
    "dropout": "map",
    "action": "top1",
}
ACCURACIES = ("retrieval", "dropout", "action")
# The peer that a model is held against under the same damage: as many floats as the code has, the
# cubic that needs no learning, linear codes of equal length, the mean of single cameras, no look.
PEERS = {
    "target": "pca",
    "view": "pca",
    "super-resolution": "bicubic",
    "retrieval": "pca",
    "dropout": "late_mean",
    "action": "majority",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One corruption at one severity, of the pictures of one camera, of all, or of one view."""

    corruption: str
    severity: int
    scope: Scope

    def id(self, model_digest: str, judged: str) -> str:
        """Name what a set of weights scores in it on some held-out footage."""
        return digest(
            "robustness", model_digest, judged, self.corruption, self.severity, self.scope
        )


def cells_of(
    level: str, names: Sequence[str] = (), severities: Sequence[int] = (), *, rig: bool = True
) -> tuple[Cell, ...]:
    """Return the cells of the core or of the full set, or of some corruptions and severities.

    Full is every corruption at every severity and, where codes of a `rig` are judged, in every
    scope; core has each in its own.

    Raises:
        UsageError: there is no such set.
        UnknownCorruptionError: no such corruption or severity.
    """
    if level not in LEVELS:
        raise UsageError(
            f"There is no set of corruptions {level!r}; there are {', '.join(LEVELS)}.",
            command="stillhouse evaluate --robustness core",
        )
    full = level == "full"
    found = []
    for name in names or (tuple(CORRUPTIONS) if full else CORE):
        one = corruption_named(name)
        every = full and rig and one.damage is not None
        for scope in SCOPES if every else (one.scope,):
            for severity in severities or (SEVERITIES if full else CORE_SEVERITIES):
                one.level(severity)
                found.append(Cell(name, severity, scope))
    return tuple(dict.fromkeys(found))


Key = tuple[str, str, str]  # application, session id, method
Piece = tuple[str, int, str, int]  # clip, first step, camera, cameras given


@dataclass
class Scores:
    """Scores by application, session and method, piece by piece; and why there are none."""

    found: dict[Key, dict[Piece, float]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )
    absent: Mapping[str, str] = field(default_factory=dict)

    def add(self, application: str, session: str, method: str, piece: Piece, value: float) -> None:
        """Take a score; one that is not a number is not counted."""
        if not math.isnan(value):
            self.found[application, session, method][piece] = value


def rows_of(damaged: Scores, undamaged: Scores, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rows of the table: means over the pieces that both were scored on.

    `names` are what people call sessions. An application without any score has one row that says
    why; a baseline is there wherever the model is, on the same pieces.
    """
    rows = []
    for (application, session, method), values in sorted(damaged.found.items()):
        before = undamaged.found.get((application, session, method), {})
        pieces = sorted(values.keys() & before.keys())
        if pieces:
            rows.append(
                _row(application, session, names.get(session, session), method)
                | {
                    "value": fmean(values[piece] for piece in pieces),
                    "undamaged": fmean(before[piece] for piece in pieces),
                    "pieces": len(pieces),
                    "absent": None,
                }
            )
    scored = {row["application"] for row in rows}
    for application, why in sorted(damaged.absent.items()):
        if application not in scored:
            nothing = {"value": None, "undamaged": None, "pieces": 0, "absent": why}
            rows.append(_row(application, "", "", "model") | nothing)
    return rows


def _row(application: str, session_id: str, session: str, method: str) -> dict[str, Any]:
    return {
        "application": application,
        "session_id": session_id,
        "session": session,
        "method": method,
        "measure": MEASURES[application],
    }
