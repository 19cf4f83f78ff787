"""Decides which sessions are held out, so that no evaluation sees what a model was trained on.

Reads perceptual hashes; writes nothing. Sessions that share footage (a re-encode, a
composite over the same take) form one *group*, and a group is never divided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from catalog.ids import digest
from infra.errors import SplitImpossibleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

# Two 64-bit difference hashes at most this far apart show the same picture (see
# infra/decisions/0003-split-by-shared-footage.md for the distances measured on real footage).
SAME_PICTURE_BITS = 12
# ... and this share of the shorter recording's hashes must find such a partner.
SAME_FOOTAGE_SHARE = 0.5
TRAIN, HELDOUT = "train", "heldout"


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that share footage: the unit of split."""

    group_id: str
    sessions: tuple[str, ...]
    split: str


def share_footage(one: Hashes, other: Hashes) -> bool:
    """Tell whether two recordings, given their hashes, show the same footage.

    Symmetric; a recording without hashes shares nothing. Flat frames (hash 0 or all ones) are
    not evidence and are left out.
    """
    one, other = _telling(one), _telling(other)
    if not one.size or not other.size:
        return False
    short, long = (one, other) if one.size <= other.size else (other, one)
    distance = np.bitwise_count(short[:, None] ^ long[None, :]).min(axis=1)
    return bool((distance <= SAME_PICTURE_BITS).mean() >= SAME_FOOTAGE_SHARE)


def _telling(hashes: Hashes) -> Hashes:
    bits = np.bitwise_count(hashes)
    return hashes[(bits > 4) & (bits < 60)]


def assign_splits(
    new: Mapping[str, Sequence[Hashes]],
    known: Mapping[str, Sequence[Hashes]],
    known_groups: Mapping[str, tuple[str, str]],
    heldout_fraction: float,
) -> dict[str, tuple[str, str]]:
    """Return `{session_id: (group_id, split)}` for every new session.

    `new` and `known` map sessions to the hashes of their recordings; `known_groups` maps known
    sessions to what they were given, which never changes: a new session that shares footage with
    a known one joins its group and its split. Other groups are held out by a hash of their
    content, so the order of arrival does not matter; when that would leave nothing held out or
    nothing to train on, the first or last group in hash order is moved.

    When one new session links two known groups of unlike splits, it is held out: nothing is
    trained on it.
    """
    order = sorted(new)
    parent = {session: session for session in order}

    def root(session: str) -> str:
        while parent[session] != session:
            session = parent[session]
        return session

    for i, one in enumerate(order):
        for other in order[i + 1 :]:
            if _linked(new[one], new[other]):
                parent[root(other)] = root(one)
    members: dict[str, list[str]] = {}
    for session in order:
        members.setdefault(root(session), []).append(session)

    found: dict[str, tuple[str, str]] = {}
    fresh: list[tuple[str, list[str]]] = []
    for sessions in members.values():
        kin = sorted(
            known_groups[old]
            for old in known
            if any(_linked(new[session], known[old]) for session in sessions)
        )
        if kin:
            heir = next((pair for pair in kin if pair[1] == HELDOUT), kin[0])
            found |= dict.fromkeys(sessions, heir)
        else:
            fresh.append((digest("group", sessions[0]), sessions))
    have = {split for _, split in known_groups.values()}
    for (group_id, sessions), split in zip(
        sorted(fresh), _draw(sorted(fresh), have, heldout_fraction), strict=True
    ):
        found |= dict.fromkeys(sessions, (group_id, split))
    return found


def _draw(fresh: list[tuple[str, list[str]]], have: set[str], fraction: float) -> list[str]:
    """Split groups by their own hash: `fresh` is sorted by group id, which is that hash."""
    splits = [
        HELDOUT if int(group_id[:8], 16) / 2**32 < fraction else TRAIN for group_id, _ in fresh
    ]
    if len(splits) + len(have) > 1 and splits:
        if HELDOUT not in splits and HELDOUT not in have:
            splits[0] = HELDOUT
        elif TRAIN not in splits and TRAIN not in have:
            splits[-1] = TRAIN
    return splits


def _linked(one: Sequence[Hashes], other: Sequence[Hashes]) -> bool:
    return any(share_footage(a, b) for a in one for b in other)


def require_split(splits: Sequence[str]) -> None:
    """Refuse to train where nothing can be held out.

    Raises:
        SplitImpossibleError: when either side is empty, naming what is missing.
    """
    missing = {TRAIN, HELDOUT} - set(splits)
    if missing:
        raise SplitImpossibleError(
            f"The catalog has no session to {' and '.join(sorted(missing))}: sessions are split "
            "by shared footage, and at least two unrelated ones are needed.",
            command="stillhouse ingest ANOTHER_FOLDER",
        )
