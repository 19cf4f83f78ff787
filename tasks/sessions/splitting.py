"""Gives sessions their group and split, from the footage that they share with others.

Reads the catalog; marks duplicates on the way, since both ask who shares footage with whom. What
was decided never changes (`splits.py` says how).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from catalog.query import rows
from tasks.ingest.marking import mark_duplicates
from tasks.sessions.splits import assign_groups, linked_sessions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.runs.record import FlowRun
    from tasks.sessions.forming import Formed


def split_sessions(formed: Sequence[Formed], run: FlowRun) -> dict[str, tuple[str, str]]:
    """Return `{session_id: (group_id, split)}` of every session."""
    snapshot = run.catalog.snapshot()
    asked = {"session_ids": [one.session_id for one in formed], "recording_ids": []}
    groups = {
        row["session_id"]: (row["group_id"], row["split"])
        for row in rows(snapshot, "related_sessions", asked)
    }
    fresh = {one.session_id: one for one in formed if one.session_id not in groups}
    if not fresh:
        return groups
    own = {take.recording_id for one in fresh.values() for take in one.takes}
    pairs = mark_duplicates(own, run)
    sessions_of: dict[str, set[str]] = defaultdict(set)
    for one in fresh.values():
        for take in one.takes:
            sessions_of[take.recording_id].add(one.session_id)
    asked = {"session_ids": [], "recording_ids": sorted(own.union(*pairs))}
    for row in rows(snapshot, "related_sessions", asked):
        groups[row["session_id"]] = (row["group_id"], row["split"])
        for recording_id in row["recording_ids"]:
            sessions_of[recording_id].add(row["session_id"])
    found = assign_groups(
        list(fresh),
        linked_sessions(pairs, sessions_of),
        groups,
        run.settings.heldout_fraction,
        have={row["split"] for row in rows(snapshot, "splits", {})},
        rigs={one.session_id for one in fresh.values() if len(one.takes) > 1},
    )
    return groups | found
