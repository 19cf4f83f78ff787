"""Gives sessions their group and split, from the footage that they share with others.

Reads the catalog; writes nothing. What was decided never changes (`splits.py` says how).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import rows
from tasks.splits import assign_splits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.forming import Formed
    from tasks.run_record import FlowRun


def split_sessions(formed: Sequence[Formed], run: FlowRun) -> dict[str, tuple[str, str]]:
    """Return `{session_id: (group_id, split)}` of every session."""
    snapshot = run.catalog.snapshot()
    known: dict[str, list[Any]] = {}
    groups: dict[str, tuple[str, str]] = {}
    for row in rows(snapshot, "session_hashes", {}):
        known[row["session_id"]] = [np.frombuffer(one, "<u8") for one in row["hashes"]]
        groups[row["session_id"]] = (row["group_id"], row["split"])
    fresh = [one for one in formed if one.session_id not in groups]
    wanted = [take.recording_id for one in fresh for take in one.takes]
    hashes = {
        row["recording_id"]: np.frombuffer(row["hashes"], "<u8")
        for row in rows(snapshot, "recording_signals", {"recording_ids": wanted})
    }
    new = {one.session_id: [hashes[take.recording_id] for take in one.takes] for one in fresh}
    return groups | assign_splits(new, known, groups, run.settings.heldout_fraction)
