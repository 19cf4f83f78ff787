"""Which sessions are held out, and that what is held out was not trained on."""

from __future__ import annotations

import numpy as np
import pytest

from infra.errors import SplitImpossibleError
from tasks.splits import HELDOUT, TRAIN, assign_splits, require_split, share_footage


def footage(seed: int, seconds: int = 6) -> np.ndarray:
    """Return the hashes of some footage of its own."""
    return np.random.default_rng(seed).integers(0, 2**64, seconds, dtype=np.uint64)


def disturbed(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Return the hashes with so many bits of each flipped, as a re-encode does."""
    mask = np.uint64(sum(1 << (k * 7 % 64) for k in range(bits)))
    return hashes ^ mask


def test_a_re_encode_shares_footage_and_a_stranger_does_not() -> None:
    """Few bits apart is the same picture; random hashes are not."""
    one = footage(1)
    assert share_footage(one, disturbed(one, 7))
    assert share_footage(one[2:4], one)
    assert not share_footage(one, footage(2))


def test_flat_frames_are_no_evidence() -> None:
    """Black frames look alike in all the world's footage."""
    black = np.zeros(5, np.uint64)
    assert not share_footage(black, black)


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


def test_the_order_of_arrival_does_not_matter_within_a_run() -> None:
    """The same sessions get the same splits however the listing was ordered."""
    new = {f"s{k}": [footage(k)] for k in range(8)}
    again = dict(reversed(list(new.items())))
    assert assign_splits(new, {}, {}, 0.4) == assign_splits(again, {}, {}, 0.4)


def test_one_group_alone_cannot_be_split() -> None:
    """Training without anything held out is refused with what is missing."""
    with pytest.raises(SplitImpossibleError, match="heldout"):
        require_split([TRAIN, TRAIN])
