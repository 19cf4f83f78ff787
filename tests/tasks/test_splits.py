"""Which sessions are held out, and that what is held out was not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from infra.errors import SplitImpossibleError
from tasks.ingest.lookalikes import candidates, share_pictures
from tasks.sessions.splits import (
    HELDOUT,
    TRAIN,
    assign_groups,
    linked_sessions,
    require_split,
)


def footage(seed: int, seconds: int = 6) -> np.ndarray:
    """Return the hashes of some footage of its own."""
    return np.random.default_rng(seed).integers(0, 2**64, seconds, dtype=np.uint64)


def disturbed(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Return the hashes with so many bits of each flipped, as a re-encode does."""
    mask = np.uint64(sum(1 << (k * 7 % 64) for k in range(bits)))
    return hashes ^ mask


def assign_splits(
    new: dict[str, list[np.ndarray]],
    known: dict[str, list[np.ndarray]],
    groups: dict[str, tuple[str, str]],
    fraction: float,
) -> dict[str, tuple[str, str]]:
    """Assign groups to sessions given all their hashes, as ingest does by way of the catalog."""
    fresh, old = (
        {(name, k): one for name, held in side.items() for k, one in enumerate(held)}
        for side in (new, known)
    )
    every = old | fresh
    linked = [
        (one[0], other[0])
        for one, other in candidates(fresh, every)
        if one[0] != other[0] and share_pictures(fresh[one], every[other])
    ]
    have = {split for _, split in groups.values()}
    return assign_groups(new, linked, groups, fraction, have)


def test_sessions_that_share_footage_are_never_divided() -> None:
    """Take and composite, pristine and damaged: one group, one split."""
    for seed in range(20):
        new = {f"s{k}": [footage(100 * seed + k)] for k in range(6)}
        new["copy"] = [disturbed(new["s3"][0], 5)]
        found = assign_splits(new, {}, {}, 0.4)
        assert found["copy"] == found["s3"]


def test_both_sides_have_something_whenever_two_groups_exist() -> None:
    """Two unrelated sessions are enough to train on one and judge on the other."""
    for seed in range(20):
        new = {"a": [footage(seed)], "b": [footage(seed + 1000)]}
        splits = {split for _, split in assign_splits(new, {}, {}, 0.4).values()}
        assert splits == {TRAIN, HELDOUT}


def test_a_late_relative_joins_the_split_of_its_kin() -> None:
    """What was decided never changes, and a copy that arrives later cannot leak."""
    old = footage(7)
    for split in (TRAIN, HELDOUT):
        new = {"late": [disturbed(old, 6)]}
        found = assign_splits(new, {"old": [old]}, {"old": ("g", split)}, 0.4)
        assert found == {"late": ("g", split)}


def test_a_link_between_both_sides_is_held_out() -> None:
    """Nothing is trained on a session that shares footage with a held-out one."""
    a, b = footage(1), footage(2)
    known = {"a": [a], "b": [b]}
    groups = {"a": ("ga", TRAIN), "b": ("gb", HELDOUT)}
    found = assign_splits({"link": [a, b]}, known, groups, 0.4)
    assert found["link"][1] == HELDOUT


def test_the_share_held_out_is_the_one_asked_for() -> None:
    """Of several groups at once the fraction is exact; alone, one is held out by chance."""
    for count in (4, 5, 10, 50):
        splits = [
            split for _, split in assign_groups(map(str, range(count)), [], {}, 0.4, ()).values()
        ]
        assert splits.count(HELDOUT) == round(0.4 * count)
    alone = [assign_groups([str(k)], [], {}, 0.4, {TRAIN, HELDOUT}) for k in range(300)]
    drawn = [split for found in alone for _, split in found.values()]
    assert 90 < drawn.count(HELDOUT) < 150


def test_the_order_of_arrival_does_not_matter_within_a_run() -> None:
    """The same sessions get the same splits however the listing was ordered."""
    new = {f"s{k}": [footage(k)] for k in range(8)}
    again = dict(reversed(list(new.items())))
    assert assign_splits(new, {}, {}, 0.4) == assign_splits(again, {}, {}, 0.4)


def test_links_reach_over_new_sessions_to_the_known_ones() -> None:
    """What is linked to a known session by way of another new one joins it too, in any order."""
    links = [("a", "b"), ("c", "b"), ("old", "c"), ("gone", "d")]
    for pairs in (links, links[::-1], [(y, x) for x, y in links]):
        found = assign_groups(["d", "c", "b", "a"], pairs, {"old": ("g", HELDOUT)}, 0.4, {HELDOUT})
        assert found["a"] == found["b"] == found["c"] == ("g", HELDOUT)
        assert found["d"][1] == TRAIN


def test_sessions_are_linked_by_their_recordings() -> None:
    """Two sessions are linked if recordings of theirs are, or if they hold the same one."""
    sessions_of = {"r1": ["take"], "r2": ["take", "again"], "r3": ["other"], "r4": ["take"]}
    pairs = [("r3", "r1"), ("r1", "r4"), ("r3", "unknown")]
    assert linked_sessions(pairs, sessions_of) == {("again", "take"), ("other", "take")}


def test_one_group_alone_cannot_be_split() -> None:
    """Training without anything held out is refused with what is missing."""
    with pytest.raises(SplitImpossibleError, match="heldout"):
        require_split([TRAIN, TRAIN])


def test_rigs_are_drawn_by_themselves() -> None:
    """Some rigs are trained on and, of several, some held out, however the hashes fall."""
    for seed in range(30):
        singles = [f"single {seed} {k}" for k in range(3)]
        rigs = [f"rig {seed} {k}" for k in range(2)]
        found = assign_groups([*singles, *rigs], [], {}, 0.4, (), rigs)
        assert sorted(found[rig][1] for rig in rigs) == [HELDOUT, TRAIN]
        assert sum(found[one][1] == HELDOUT for one in singles) == 1
        lonely = assign_groups([*singles, rigs[0]], [], {}, 0.4, (), rigs[:1])
        assert lonely[rigs[0]][1] == TRAIN
