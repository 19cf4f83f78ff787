"""What came of judging a model under damage: mPC and rPC, differences in dB, the summary.

Pure, and without torch: rows of the table `robustness` in, figures out. Accuracies are averaged as
by Michaelis et al. (2019): mPC is the mean over corruptions of the mean over severities, rPC its
share of what the model scores undamaged. Decibels have no ratio: they are told as differences, to
the undamaged result and to a peer under the same damage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tasks.damage.corruptions import CORRUPTIONS, is_trained
from tasks.distiller.report import CHANCE
from tasks.judging.window_score import MODEL
from tasks.robustness.cells import ACCURACIES, MEASURES, PEERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]

# What needs no look at a picture: an accuracy below it is none.
FLOORS = {"retrieval": CHANCE, "dropout": CHANCE, "action": PEERS["action"]}
# A cell is harmed if the model loses more than this against its peer, as for super-resolution.
HARM_DB = 0.05
HELD_OUT, TRAINED, EVERY = "held out", "trained on", "all"
GROUPS = (HELD_OUT, TRAINED, EVERY)
Kind = tuple[str, str]  # a corruption and its scope


@dataclass(frozen=True)
class Robustness:
    """The scores of one set of weights, on one set of held-out footage."""

    model: str
    rows: Sequence[Row]

    @cached_property
    def scored(self) -> list[Row]:
        """The rows that have a score."""
        return [row for row in self.rows if row["value"] is not None]

    @property
    def applications(self) -> tuple[str, ...]:
        """Those that were asked for, in the order of `MEASURES`."""
        found = {row["application"] for row in self.rows}
        return tuple(name for name in MEASURES if name in found)

    def kinds(self, application: str, group: str = EVERY) -> tuple[Kind, ...]:
        """Return the corruptions of a group that were scored, in the order of their families."""
        found = {
            (row["corruption"], row["scope"])
            for row in self.scored
            if row["application"] == application and self._is_in(row["corruption"], group)
        }
        order = list(CORRUPTIONS)
        return tuple(sorted(found, key=lambda kind: (order.index(kind[0]), kind[1])))

    def _is_in(self, corruption: str, group: str) -> bool:
        return group == EVERY or is_trained(corruption, self.model) == (group == TRAINED)

    def severities(self, application: str) -> tuple[int, ...]:
        """Return the severities that were scored."""
        found = {row["severity"] for row in self.scored if row["application"] == application}
        return tuple(sorted(found))

    @cached_property
    def by_cell(self) -> dict[tuple[str, Kind, int, str], dict[str, Row]]:
        """Rows by session, of each application, corruption, severity and method."""
        found: dict[tuple[str, Kind, int, str], dict[str, Row]] = defaultdict(dict)
        for row in self.scored:
            kind = (row["corruption"], row["scope"])
            key = (row["application"], kind, row["severity"], row["method"])
            found[key][row["session_id"]] = row
        return dict(found)

    def sessions(self, application: str) -> dict[str, str]:
        """Return ids and names of the sessions that were scored."""
        rows = (row for row in self.scored if row["application"] == application)
        return {row["session_id"]: row["session"] for row in rows}

    def value(
        self,
        application: str,
        kind: Kind,
        severity: int,
        method: str = MODEL,
        *,
        column: str = "value",
        sessions: Iterable[str] = (),
    ) -> float:
        """Return the mean over sessions (or some of them) of a cell; not a number if none."""
        found = self.by_cell.get((application, kind, severity, method), {})
        chosen = [found[one] for one in sessions or found if one in found]
        return fmean(row[column] for row in chosen) if chosen else math.nan

    def mpc(
        self,
        application: str,
        group: str = EVERY,
        method: str = MODEL,
        *,
        column: str = "value",
        sessions: Iterable[str] = (),
    ) -> float:
        """Return mean performance under corruption; with column `undamaged` that without any."""
        chosen = tuple(sessions)
        means = []
        for kind in self.kinds(application, group):
            values = [
                self.value(application, kind, s, method, column=column, sessions=chosen)
                for s in self.severities(application)
            ]
            if known := [value for value in values if not math.isnan(value)]:
                means.append(fmean(known))
        return fmean(means) if means else math.nan

    def rpc(self, application: str, group: str = EVERY, *, sessions: Iterable[str] = ()) -> float:
        """Return mPC as a share of the undamaged result.

        Not a number where that is no better than its floor: a share of nothing says nothing.
        """
        chosen = tuple(sessions)
        whole, floor = (
            self.mpc(application, group, method, column="undamaged", sessions=chosen)
            for method in (MODEL, FLOORS[application])
        )
        if not whole > floor:
            return math.nan
        return self.mpc(application, group, sessions=chosen) / whole

    def differences(
        self, application: str, group: str = EVERY, *, peer: str = "", session: str = ""
    ) -> list[float]:
        """Return the model minus its peer, or minus its undamaged self, a cell and session each."""
        found = []
        for kind in self.kinds(application, group):
            for severity in self.severities(application):
                ours = self.by_cell.get((application, kind, severity, MODEL), {})
                theirs = self.by_cell.get((application, kind, severity, peer), {})
                for one, row in sorted(ours.items()):
                    if session in ("", one) and (not peer or one in theirs):
                        other = theirs[one]["value"] if peer else row["undamaged"]
                        found.append(row["value"] - other)
        return found

    def no_harm_rate(self, application: str, group: str = EVERY, *, session: str = "") -> float:
        """Return the share of cells in which the model loses at most .05 dB against its peer."""
        found = self.differences(application, group, peer=PEERS[application], session=session)
        # A hair's breadth more: 19.95 - 20 is not quite -.05.
        return fmean(float(x >= -HARM_DB - 1e-9) for x in found) if found else math.nan

    def summary(self) -> list[dict[str, Any]]:
        """Return one row an application, group and session; all sessions first ("")."""
        return [
            self._summed(application, group, session)
            for application in self.applications
            for group in GROUPS
            if self.kinds(application, group)
            for session in ("", *self.sessions(application))
        ]

    def _summed(self, application: str, group: str, session: str) -> dict[str, Any]:
        names = self.sessions(application)
        some = (session,) if session else ()
        found: dict[str, Any] = {
            "application": application,
            "types": group,
            "session": names[session] if session else "all",
            "corruptions": len({name for name, _ in self.kinds(application, group)}),
            "undamaged": self.mpc(application, group, column="undamaged", sessions=some),
            "damaged": self.mpc(application, group, sessions=some),
        }
        peer = PEERS[application]
        found |= {
            "peer": peer,
            "peer_damaged": self.mpc(application, group, peer, sessions=some),
        }
        accuracy = application in ACCURACIES
        floor = FLOORS.get(application, "")
        found["floor_is"] = floor
        found["floor"] = self.mpc(application, group, floor, sessions=some) if floor else math.nan
        lost = self.differences(application, group, session=session)
        over = self.differences(application, group, peer=peer, session=session)
        found |= {
            "rpc": self.rpc(application, group, sessions=some) if accuracy else math.nan,
            "mean_loss": fmean(lost) if lost else math.nan,
            "worst_loss": min(lost, default=math.nan),
            "mean_over_peer": fmean(over) if over else math.nan,
            "worst_over_peer": min(over, default=math.nan),
            "no_harm_rate": math.nan
            if accuracy
            else self.no_harm_rate(application, group, session=session),
        }
        return {
            name: None if isinstance(x, float) and math.isnan(x) else x for name, x in found.items()
        }

    def metrics(self) -> dict[str, float]:
        """Return flat names for the registry, such as `robust.view.no_harm_rate`."""
        kept = ("damaged", "rpc", "mean_loss", "worst_loss", "mean_over_peer", "worst_over_peer")
        found = {}
        for row in self.summary():
            if row["session"] != "all":
                continue
            name = row["application"].replace("-", "_")
            suffix = "" if row["types"] == EVERY else f".{row['types'].replace(' ', '_')}"
            for measure in (*kept, "no_harm_rate"):
                if row[measure] is not None:
                    title = "mpc" if measure == "damaged" else measure
                    found[f"robust.{name}{suffix}.{title}"] = float(row[measure])
        return found
