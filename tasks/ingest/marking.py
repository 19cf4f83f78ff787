"""Marks recordings that show the same footage, and says which share pictures at all.

Reads the table `recordings`; writes the table `duplicates`. Known hashes go by in blocks, and the
signals of those that might be meant are fetched for them alone: memory does not grow with what is
known.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.query import ask, batches, connect, query_text
from catalog.schemas.duplicates import DUPLICATES
from infra.observability import progress
from tasks.ingest.duplicates import Footage, compare
from tasks.ingest.lookalikes import candidates, share_pictures
from tasks.ingest.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from catalog.query import Connection
    from tasks.ingest.duplicates import Duplicate
    from tasks.runs.record import FlowRun

# New recordings looked up together: each lot reads all known hashes once.
NEW_AT_ONCE = 256
# Known hashes held at a time: 8 MB if recordings last a minute.
BLOCK_ROWS = 4096
# Known recordings whose signals are held at a time: 7 MB each if they last an hour.
FETCH_ROWS = 64


def mark_duplicates(recording_ids: Collection[str], run: FlowRun) -> list[tuple[str, str]]:
    """Commit every pair of a given recording and any other that show the same footage.

    Returns the pairs of recordings that share pictures, those among them: what may not be divided
    by a split (see `linked_sessions`). Safe to repeat: what is marked already is known. Recordings
    compared with nothing are none: pass all that the sessions to be formed have.
    """
    snapshot = run.catalog.snapshot()
    ids = sorted(set(recording_ids))
    linked: list[tuple[str, str]] = []
    with (
        connect(snapshot) as stream,
        connect(snapshot) as connection,
        progress("compare", len(ids), "recordings") as bar,
    ):
        for first in range(0, len(ids), NEW_AT_ONCE):
            new = {
                one.recording_id: one
                for one in known_footage(connection, ids[first:][:NEW_AT_ONCE])
            }
            found: list[Duplicate] = []
            for block in batches(stream, query_text("recording_hashes"), BLOCK_ROWS):
                pairs = _pairs(new, block.to_pylist(), set(ids))
                for one, other in fetched(connection, new, pairs):
                    duplicate = compare(one, other)
                    if duplicate:
                        found.append(duplicate)
                    if duplicate or share_pictures(one.hashes, other.hashes):
                        linked.append((one.recording_id, other.recording_id))
            run.catalog.commit(DUPLICATES, [_row(duplicate, run) for duplicate in found])
            bar.advance(len(new))
    return linked


def _pairs(
    new: dict[str, Footage], block: list[dict[str, Any]], every_new: set[str]
) -> list[tuple[str, str]]:
    """Return (known or new id, new id) worth a closer look, sorted; new with new once."""
    known = {row["recording_id"]: np.frombuffer(row["hashes"], "<u8") for row in block}
    found = candidates({name: one.hashes for name, one in new.items()}, known)
    return sorted((other, one) for one, other in found if other not in every_new or one < other)


def fetched(
    connection: Connection, new: dict[str, Footage], pairs: list[tuple[str, str]]
) -> Iterator[tuple[Footage, Footage]]:
    """Yield the footage of pairs (id, new id)."""
    grouped = [(other, [one for _, one in group]) for other, group in groupby(pairs, _first)]
    for begin in range(0, len(grouped), FETCH_ROWS):
        part = dict(grouped[begin : begin + FETCH_ROWS])
        for other in known_footage(connection, list(part)):
            yield from ((new[one], other) for one in part[other.recording_id])


def _first(pair: tuple[str, str]) -> str:
    return pair[0]


def known_footage(connection: Connection, recording_ids: Sequence[str]) -> Iterator[Footage]:
    """Yield what is known of the pictures of some recordings."""
    wanted = {"recording_ids": list(recording_ids)}
    for row in ask(connection, query_text("recording_footage"), wanted).to_pylist():
        yield Footage(
            row["recording_id"],
            row["duration_ns"],
            np.frombuffer(row["hashes"], "<u8"),
            Signals.unpack(row["signals"]),
        )


def _row(found: Duplicate, run: FlowRun) -> dict[str, Any]:
    return {
        "recording_id": found.recording_id,
        "other_id": found.other_id,
        "start_ns": found.span.start_ns,
        "end_ns": found.span.end_ns,
        "other_start_ns": found.other_span.start_ns,
        "other_end_ns": found.other_span.end_ns,
        "score": found.score,
        "flow_run_id": run.flow_run_id,
    }
