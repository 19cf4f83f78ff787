"""The table and the remarks of a distiller's evaluation: what a reader gets to see.

Reads and writes nothing and needs no torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tasks.judging.bootstrap import SESSIONS_FOR_A_CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.distiller.evaluation import DistillerEvaluation
    from tasks.judging.window_score import Application, Setting

Row = dict[str, str | float | int]

MEAN = "mean over sessions"
# Ranking by lot is what a small gallery is read against, no peer.
CHANCE = "chance"
_SAID: dict[str, str] = {"new_rig": "rigs never seen", "same_rig": "training rigs at a later time"}
_UNITS: dict[str, str] = {"fg_psnr": "dB foreground PSNR", "map": "mean average precision"}


def table_of(found: DistillerEvaluation) -> list[Row]:
    """Return one row a setting, application, session and method; means over sessions last."""
    columns = list(dict.fromkeys(name for _, a in found.judged for name in found.measures(a)))
    rows: list[Row] = []
    for last in (False, True):
        for setting, application in found.judged:
            sessions = found.sessions(setting, application)
            for session, name in {"": MEAN}.items() if last else sessions.items():
                for method in found.methods(setting, application):
                    rows.append(_row(found, setting, application, session, name, method))
                    rows[-1] |= {
                        measure: _cell(found, setting, application, session, method, measure)
                        for measure in columns
                    }
    return rows


def _row(
    found: DistillerEvaluation,
    setting: Setting,
    application: Application,
    session: str,
    name: str,
    method: str,
) -> Row:
    pieces = {
        score.piece
        for score in found.scores
        if (score.setting, score.application, score.method) == (setting, application, method)
        and session in ("", score.session_id)
    }
    return {
        "setting": setting,
        "application": application,
        "session": name,
        "session_id": session,
        "method": method,
        "pieces": len(pieces),
    }


def _cell(
    found: DistillerEvaluation,
    setting: Setting,
    application: Application,
    session: str,
    method: str,
    measure: str,
) -> str | float:
    value = (
        found.session_mean(session, setting, application, method, measure)
        if session
        else found.mean(setting, application, method, measure)
    )
    return "" if math.isnan(value) else round(value, 4)


def remarks_of(found: DistillerEvaluation) -> list[str]:
    """Return what may not be concluded, what was not judged, and what is better than the model."""
    said = [*_not_judged(found), *_few(found)]
    for setting, application in found.judged:
        said += _uncounted(found, setting, application)
        said += _better(found, setting, application)
    return said


def _not_judged(found: DistillerEvaluation) -> Iterator[str]:
    judged = set(found.judged)
    if not any(setting == "same_rig" for setting, _ in judged):
        yield "No training rig was judged at a later time."
    if not any(setting == "new_rig" for setting, _ in judged):
        yield "No session was held out: nothing is known of rigs never seen."
    elif ("new_rig", "target") in judged and ("new_rig", "view") not in judged:
        what = [a for a in ("retrieval", "dropout") if ("new_rig", a) not in judged]
        yield (
            "No session of several cameras is held out: on rigs never seen "
            f"{', '.join(['view synthesis', *what])} were not judged."
        )
    elif ("new_rig", "retrieval") not in judged:
        yield "No held-out query has an answer through another camera: retrieval was not judged."


def _few(found: DistillerEvaluation) -> Iterator[str]:
    for setting in dict.fromkeys(setting for setting, _ in found.judged):
        counts = {a: len(found.sessions(setting, a)) for s, a in found.judged if s == setting}
        few = [f"{a} {n}" for a, n in counts.items() if n < SESSIONS_FOR_A_CLAIM]
        if few:
            yield (
                f"Sessions of {_SAID[setting]}: {', '.join(few)}; under {SESSIONS_FOR_A_CLAIM} "
                "no claim of significance is made."
            )


def _uncounted(
    found: DistillerEvaluation, setting: Setting, application: Application
) -> Iterator[str]:
    if "fg_psnr" not in found.measures(application):
        return
    model = found.methods(setting, application)[0]
    every, counted = (
        found.values(setting, application, model, name) for name in ("psnr", "fg_psnr")
    )
    total, moving = (sum(map(len, values.values())) for values in (every, counted))
    if moving < total:
        yield (
            f"{_where(setting, application)}: nothing moves in {total - moving} of {total} pieces; "
            "they do not count in foreground PSNR."
        )


def _better(
    found: DistillerEvaluation, setting: Setting, application: Application
) -> Iterator[str]:
    """Name every peer that the model does not beat, and how sure a win over all of them is."""
    gains = {}
    for method in found.methods(setting, application)[1:]:
        measures = [m for m in ("fg_psnr", "map", "rest_map") if m in found.measures(application)]
        for measure in measures:
            gain = found.gain(setting, application, method, measure)
            if math.isnan(gain):
                continue
            if gain <= 0:
                yield _beaten(setting, application, method, measure, gain)
            if method != CHANCE and measure == measures[0]:
                gains[method] = gain
    if gains and min(gains.values()) > 0:
        closest = min(gains, key=gains.__getitem__)
        interval = found.interval(setting, application, closest)
        if interval is not None and interval.claimable:
            yield (
                f"{_where(setting, application)}: over {closest}, its closest peer, "
                f"the model gains {interval.sentence()}."
            )


def _beaten(
    setting: Setting, application: Application, method: str, measure: str, gain: float
) -> str:
    unit = _UNITS.get(measure, measure)
    if measure == "rest_map":
        unit = "mean average precision among codes of the other cameras"
    where = _where(setting, application)
    if gain == 0:
        return f"{where}: the model is no better than {method} in {unit}."
    by = f"by {-gain:.3g} {unit}"
    if method == "late_mean":
        return f"{where}: the combiner loses to the late mean {by}."
    return f"{where}: {method} beats the model {by}."


def _where(setting: Setting, application: Application) -> str:
    return f"{application.capitalize()} on {_SAID[setting]}"
