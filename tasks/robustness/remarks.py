"""What a reader needs beside the figures of robustness: what is absent, few, or beaten.

Pure: figures in, sentences out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from tasks.judging.bootstrap import SESSIONS_FOR_A_CLAIM
from tasks.judging.window_score import MODEL
from tasks.robustness.cells import ACCURACIES, PEERS
from tasks.robustness.report import FLOORS, HELD_OUT, TRAINED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.robustness.report import Robustness

# Why a session that was judged otherwise may have no score under a corruption.
WHY_NOT = {
    "time_shift": "one camera alone, or clips too short to be late in",
    "view_drop": "one camera alone",
}
NOTHING_LEFT = "no picture is left, or none moves"


def remarks_of(found: Robustness) -> list[str]:
    """Return the sentences: first what was not judged at all, then application by application."""
    said = list(_absent(found))
    for application in found.applications:
        if found.sessions(application):
            said += _partly(found, application)
            said += _few(found, application)
            said += _beaten(found, application)
    return said


def _absent(found: Robustness) -> Iterator[str]:
    whys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in found.rows:
        if row["value"] is None:
            whys[row["application"], row["absent"]].append(row["corruption"])
    for (application, why), names in whys.items():
        every = {row["corruption"] for row in found.rows if row["application"] == application}
        some = list(dict.fromkeys(names))
        where = "" if len(some) == len(every) else f" under {', '.join(some)}"
        yield f"{application.capitalize()} was not judged{where}: {why}."


def _partly(found: Robustness, application: str) -> Iterator[str]:
    """Name the sessions in which some corruption was not judged, at one severity at the least."""
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind in found.kinds(application):
        cells = [
            found.by_cell[application, kind, severity, MODEL]
            for severity in found.severities(application)
            if (application, kind, severity, MODEL) in found.by_cell
        ]
        sessions = found.sessions(application).items()
        where = [name for one, name in sessions if not all(one in cell for cell in cells)]
        if where:
            why = WHY_NOT.get(kind[0], NOTHING_LEFT)
            lacking[", ".join(where), why].append(kind[0])
    for (names, why), kinds in lacking.items():
        under = ", ".join(dict.fromkeys(kinds))
        yield f"{application.capitalize()} in {names}: not judged under {under}; {why}."


def _few(found: Robustness, application: str) -> Iterator[str]:
    sessions = found.sessions(application)
    if len(sessions) < SESSIONS_FOR_A_CLAIM:
        yield (
            f"{application.capitalize()}: {len(sessions)} held-out sessions; under "
            f"{SESSIONS_FOR_A_CLAIM} no claim of significance is made."
        )


def _beaten(found: Robustness, application: str) -> Iterator[str]:
    for group in (HELD_OUT, TRAINED) if application in ACCURACIES else ():
        if found.kinds(application, group) and math.isnan(found.rpc(application, group)):
            yield (
                f"{application.capitalize()} under types {group}: undamaged it is no better than "
                f"{FLOORS[application]}, so there is no rPC."
            )
    peer = PEERS[application]
    worse = [
        f"{kind[0]} {severity}"
        for kind in found.kinds(application)
        for severity in found.severities(application)
        if found.value(application, kind, severity) < found.value(application, kind, severity, peer)
    ]
    if worse:
        yield f"{application.capitalize()}: {peer} is better under {', '.join(worse)}."
