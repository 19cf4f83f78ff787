"""Near-duplicates by code: copies are groups, and how near is near is read off the codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from coded_catalog import DIMS, RANDOM, add_codes, add_sessions, codes_of, two_sessions

from catalog.store import Catalog
from infra.errors import UsageError
from tasks.search.kept_codes import kept_codes
from tasks.search.near_duplicates import SHARE, near_duplicates

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return two_sessions(tmp_path / "home")


def test_copies_are_one_group_and_neighbours_none(settings: Settings) -> None:
    """Clips of another session with the codes of two of ours are found; windows in a row are not.

    Every window of a clip is alike here: all 4 s of neighbours would be a group otherwise.
    """
    add_sessions(settings, {"copy": 2})
    own = {f"two-{k:04}": np.tile(RANDOM.standard_normal(DIMS), (3, 1)) for k in range(2)}
    moved = {
        f"copy-{k:04}": own[f"two-{k:04}"] + 0.001 * RANDOM.standard_normal((3, DIMS))
        for k in range(2)
    }
    others = codes_of("one", 20)
    others = {name: np.tile(x[:1], (3, 1)) for name, x in others.items()}
    add_codes(settings, own | moved | others, version="w")
    found = near_duplicates(settings, within=1e-4)
    groups = [{one["clip_id"] for one in group} for group in found["groups"]]
    assert sorted(groups, key=min) == [{"two-0000", "copy-0000"}, {"two-0001", "copy-0001"}]
    assert found["found"] == 2
    assert found["windows"] == 12
    assert [group[0]["away"] for group in found["groups"]] == [0, 0]
    only = "select clip_id from current_clips where session_id != 'copy'"
    assert near_duplicates(settings, within=1e-4, where=only)["groups"] == []
    for wrong in (-1.0, 2.0, float("nan")):
        with pytest.raises(UsageError, match="1 - cosine"):
            near_duplicates(settings, within=wrong)


def test_how_far_equal_things_are_is_read_off_neighbours(settings: Settings) -> None:
    """Without a bound it is a hundredth of the median distance of windows to the next."""
    codes = {}
    for k in range(20):
        first = RANDOM.standard_normal(DIMS)
        steps = 0.01 * RANDOM.standard_normal((3, DIMS))
        codes[f"one-{k:04}"] = first + np.cumsum(steps, axis=0)
    add_codes(settings, codes, version="w")
    within = near_duplicates(settings)["within"] / SHARE
    vectors = kept_codes(
        Catalog(settings.catalog).snapshot(), "distiller", settings
    ).vectors.reshape(20, 3, DIMS)
    away = 1 - np.einsum("nwd,nwd->nw", vectors[:, 1:], vectors[:, :-1])
    assert within == pytest.approx(float(np.median(away)), rel=0.01)
