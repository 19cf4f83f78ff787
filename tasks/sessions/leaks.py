"""The leak test: nothing that is held out may be among what was trained on, nor look like it.

Reads the catalog; writes nothing. Splits are made so that it passes (`splitting.py`); this asks
the tables again, by ids and by pictures, and believes no group. Pictures are compared as
duplicates are found and splits are made: infra/decisions/0006.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from catalog.query import batches, connect, query_text, rows
from tasks.ingest.duplicates import compare
from tasks.ingest.lookalikes import candidates, share_pictures, telling
from tasks.ingest.marking import BLOCK_ROWS, NEW_AT_ONCE, fetched, known_footage
from tasks.sessions.splits import HELDOUT, TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from catalog.snapshot import Snapshot

    Hashes = npt.NDArray[np.uint64]
    Sessions = Mapping[str, frozenset[str]]

Kind = Literal["group", "recording", "file", "copy", "pictures"]
# What is shared by its id, and the column that has it. A session has one side by its key.
_IDS: dict[Kind, str] = {"group": "group_id", "recording": "recording_id", "file": "file_id"}


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that both sides have, and whose it is.

    `kind` says what: a group, a recording or the bytes of a file by their id; of two recordings, a
    copy (`tasks/ingest/duplicates.py`: pictures and motion agree) or half of the shorter one's
    pictures (`share_pictures`). Of the last two `what` are both recordings, the held-out one first.
    """

    kind: Kind
    what: str
    heldout: tuple[str, ...]  # names of sessions
    train: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was compared, and what was found: nothing, if the two sides are disjoint.

    `mute` recordings have no picture with anything in it, and cannot be told by pictures;
    `candidates` are pairs of recordings with any two pictures alike, which were looked at closely.
    """

    heldout_sessions: int
    train_sessions: int
    heldout_recordings: int
    train_recordings: int
    mute: int
    candidates: int
    found: tuple[Leak, ...]

    @property
    def disjoint(self) -> bool:
        """Whether both sides have sessions and share nothing."""
        return bool(self.heldout_sessions and self.train_sessions and not self.found)

    def sentence(self) -> str:
        """Say what was compared and found in one line."""
        said = (
            f"{self.heldout_sessions} held-out and {self.train_sessions} training sessions, "
            f"{self.heldout_recordings} x {self.train_recordings} recordings"
        )
        if self.mute:
            said += f", {self.mute} of them without pictures to tell"
        if not self.found:
            return f"{said}: nothing is shared."
        first = self.found[0]
        return (
            f"{said}: {len(self.found)} things are shared, first the {first.kind} {first.what} "
            f"of {', '.join(first.heldout)} and {', '.join(first.train)}."
        )


def leaks(snapshot: Snapshot) -> Leaks:
    """Compare every held-out session of a snapshot with every training session of it.

    Sessions whose files are gone count too. A recording by a recording costs .64 ns a pair of
    hashes; pairs with a picture alike some milliseconds.
    """
    sides: dict[str, list[dict[str, str]]] = {HELDOUT: [], TRAIN: []}
    for row in rows(snapshot, "split_recordings"):
        sides[row["split"]].append(row)
    held, train = sides[HELDOUT], sides[TRAIN]
    found = [
        Leak(kind, what, *names)
        for kind, column in _IDS.items()
        for what, *names in _shared(_sessions(held, column), _sessions(train, column))
    ]
    by_recording = [_sessions(side, "recording_id") for side in (held, train)]
    looked, mute, alike = _alike(snapshot, *by_recording)
    return Leaks(
        heldout_sessions=len({row["session_id"] for row in held}),
        train_sessions=len({row["session_id"] for row in train}),
        heldout_recordings=len(by_recording[0]),
        train_recordings=len(by_recording[1]),
        mute=mute,
        candidates=looked,
        found=(*found, *alike),
    )


def _sessions(side: Iterable[Mapping[str, str]], column: str) -> Sessions:
    """Return the names of the sessions that have each value of a column."""
    found = defaultdict(set)
    for row in side:
        found[row[column]].add(row["session_name"])
    return {value: frozenset(names) for value, names in found.items()}


def _shared(
    held: Sessions, train: Sessions
) -> Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for what in sorted(held.keys() & train.keys()):
        yield what, tuple(sorted(held[what])), tuple(sorted(train[what]))


def _alike(snapshot: Snapshot, held: Sessions, train: Sessions) -> tuple[int, int, list[Leak]]:
    """Return how many pairs were looked at, how many recordings are mute, and who is alike."""
    found: list[Leak] = []
    looked = 0
    mute: set[str] = set()
    ids = sorted(held)
    with connect(snapshot) as stream, connect(snapshot) as connection:
        for first in range(0, len(ids), NEW_AT_ONCE):
            lot = ids[first : first + NEW_AT_ONCE]
            new = {one.recording_id: one for one in known_footage(connection, lot)}
            hashes = {name: one.hashes for name, one in new.items()}
            mute |= _mute(hashes)
            for block in batches(stream, query_text("recording_hashes"), BLOCK_ROWS):
                known = _block(block.to_pylist(), train)
                mute |= _mute(known)
                pairs = sorted((other, one) for one, other in candidates(hashes, known))
                looked += len(pairs)
                for one, other in fetched(connection, new, pairs):
                    kind: Kind | None = None
                    if compare(one, other):
                        kind = "copy"
                    elif share_pictures(one.hashes, other.hashes):
                        kind = "pictures"
                    if kind:
                        names = held[one.recording_id], train[other.recording_id]
                        what = f"{one.recording_id} {other.recording_id}"
                        found.append(Leak(kind, what, *(tuple(sorted(n)) for n in names)))
    return looked, len(mute), sorted(found, key=lambda leak: leak.what)


def _block(block: Sequence[Mapping[str, str | bytes]], train: Sessions) -> dict[str, Hashes]:
    """Return the hashes of a block's recordings that were trained on."""
    return {
        str(row["recording_id"]): np.frombuffer(row["hashes"], "<u8")  # type: ignore[arg-type]  # one column is bytes
        for row in block
        if row["recording_id"] in train
    }


def _mute(hashes: Mapping[str, Hashes]) -> set[str]:
    return {name for name, found in hashes.items() if not telling(found).any()}
