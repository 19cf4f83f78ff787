"""The map of codes: what was on it keeps its place as clips come."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from coded_catalog import DIMS, RANDOM, add_codes, add_sessions, codes_of, two_sessions

from tasks.search.code_map import code_map

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return two_sessions(tmp_path / "home")


def test_codes_keep_their_place_on_the_map_as_clips_come(settings: Settings) -> None:
    """Those before lie where they lay, new ones are placed; outgrown, the map turns onto itself."""
    first = code_map(settings)
    before = {
        (x, t): place
        for x, t, place in zip(
            first.codes.places["clip_id"].to_pylist(),
            first.codes.places["start_ns"].to_pylist(),
            np.array(first.coordinates),
            strict=True,
        )
    }

    def moved() -> float:
        now = code_map(settings)
        keys = zip(
            now.codes.places["clip_id"].to_pylist(),
            now.codes.places["start_ns"].to_pylist(),
            strict=True,
        )
        gaps = [now.coordinates[k] - before[key] for k, key in enumerate(keys) if key in before]
        assert len(gaps) == len(before)
        return float(np.abs(gaps).max())

    assert moved() == 0
    add_sessions(settings, {"three": 30})
    add_codes(settings, codes_of("three", 30))
    assert len(code_map(settings).coordinates) == 210
    assert moved() < 1e-6
    folder = settings.state / "search" / "maps"
    shutil.rmtree(folder)
    assert moved() > 1e-3  # fitted anew to all of them: elsewhere


def test_a_map_that_is_outgrown_is_turned_onto_the_one_before(settings: Settings) -> None:
    """Five times the codes, drawn from one plane: axes may swap or flip, places do not."""
    plane = RANDOM.standard_normal((2, DIMS))

    def flat(session: str, clips: int) -> dict[str, np.ndarray]:
        wide = RANDOM.standard_normal((clips, 3, 2)) * np.array([1.0, 0.9])
        # Far from where codes have no direction, so that length 1 bends the plane little.
        return {
            f"{session}-{k:04}": 0.1 * wide[k] @ plane + 3 * np.eye(DIMS)[0] for k in range(clips)
        }

    add_codes(settings, flat("one", 20), version="w")
    first = code_map(settings)
    old = np.array(first.coordinates)
    add_sessions(settings, {"many": 90})
    add_codes(settings, flat("many", 90), version="w")
    now = code_map(settings)
    own = np.array([str(x).startswith("one") for x in now.codes.places["clip_id"].to_pylist()])
    there = np.array(now.coordinates)[own]
    gap = (there - there.mean(axis=0)) - (old - old.mean(axis=0))
    assert np.abs(gap).max() < 0.1 * np.abs(old - old.mean(axis=0)).max()
    quality = now.quality()
    assert quality is not None
    assert quality["trustworthiness"] > 0.95
