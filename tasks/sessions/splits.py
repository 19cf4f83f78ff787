"""Decides which sessions are held out, so that no evaluation sees what a model was trained on.

Reads which recordings share pictures; writes nothing. Sessions that do (a re-encode, a composite
over the same take, another time of the same fixed camera) form one *group*, and a group is never
divided.
"""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import TYPE_CHECKING

from catalog.ids import digest
from infra.errors import SplitImpossibleError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

TRAIN, HELDOUT = "train", "heldout"


def linked_sessions(
    pairs: Iterable[tuple[str, str]], sessions_of: Mapping[str, Collection[str]]
) -> set[tuple[str, str]]:
    """Return the pairs of sessions that hold linked recordings, or one and the same.

    `pairs` are recordings that share pictures; `sessions_of` names the sessions of each recording,
    of which there are several where the same bytes stand in several places.
    """
    same = chain.from_iterable(combinations(sorted(held), 2) for held in sessions_of.values())
    across = chain.from_iterable(
        product(sessions_of.get(one, ()), sessions_of.get(other, ())) for one, other in pairs
    )
    return {(min(link), max(link)) for link in chain(same, across) if link[0] != link[1]}


def assign_groups(
    new: Collection[str],
    linked: Iterable[tuple[str, str]],
    known_groups: Mapping[str, tuple[str, str]],
    heldout_fraction: float,
    have: Collection[str],
    rigs: Collection[str] = (),
) -> dict[str, tuple[str, str]]:
    """Return `{session_id: (group_id, split)}` for every new session.

    `linked` are pairs of sessions, new or known, that may not be divided; pairs of known ones
    change nothing. `known_groups` maps known sessions to what they were given, which never
    changes: a new session linked to a known one, directly or over other new ones, joins its group
    and its split. Of the other groups those with the smallest hashes of their content are held
    out, so the order of arrival within a run does not matter; when that would leave nothing held
    out or nothing to train on, the first or last is moved. `have` are the sides that any known
    session is on. Groups that hold one of `rigs`, the sessions of several cameras, are drawn by
    themselves: a share of all could be all of them, and nothing across cameras would be learnt.

    When new sessions link known groups of unlike splits, they are held out: nothing is trained on
    them.
    """
    parent = {session: session for session in sorted(new)}
    kin: dict[str, set[tuple[str, str]]] = {session: set() for session in parent}

    def root(session: str) -> str:
        while parent[session] != session:
            parent[session] = session = parent[parent[session]]
        return session

    for pair in linked:
        fresh = [session for session in pair if session in parent]
        if len(fresh) == 2:
            # The smaller id stays the root, so that groups do not depend on the order of pairs.
            first, last = sorted(map(root, fresh))
            parent[last] = first
        elif fresh:
            kin[fresh[0]].update(known_groups[old] for old in pair if old in known_groups)
    members: dict[str, list[str]] = {}
    for session in parent:
        members.setdefault(root(session), []).append(session)

    found: dict[str, tuple[str, str]] = {}
    alone: list[tuple[str, list[str]]] = []
    for sessions in members.values():
        kept = sorted(set().union(*(kin[session] for session in sessions)))
        if kept:
            heir = next((group for group in kept if group[1] == HELDOUT), kept[0])
            found |= dict.fromkeys(sessions, heir)
        else:
            alone.append((digest("group", sessions[0]), sessions))
    alone.sort()
    several = [any(session in rigs for session in sessions) for _, sessions in alone]
    splits = _draw([group for group, _ in alone], several, set(have), heldout_fraction)
    for (group_id, sessions), split in zip(alone, splits, strict=True):
        found |= dict.fromkeys(sessions, (group_id, split))
    return found


def _draw(
    fresh: Sequence[str], several: Sequence[bool], have: set[str], fraction: float
) -> list[str]:
    """Split groups by their own hash: `fresh` is sorted by group id, which is that hash.

    Several at once give the share exactly, of rigs (`several`) and of the others; one alone is
    held out with that chance.
    """
    if len(fresh) == 1:
        chosen = int(int(fresh[0][:8], 16) / 2**32 < fraction)
        splits = [HELDOUT if chosen else TRAIN]
    else:
        splits = [TRAIN] * len(fresh)
        for kind in (True, False):
            places = [k for k, one in enumerate(several) if one == kind]
            for k in places[: round(fraction * len(places))]:
                splits[k] = HELDOUT
    if len(splits) + len(have) > 1 and splits:
        if HELDOUT not in splits and HELDOUT not in have:
            splits[several.index(False) if False in several else 0] = HELDOUT
        elif TRAIN not in splits and TRAIN not in have:
            splits[-1] = TRAIN
    return splits


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
