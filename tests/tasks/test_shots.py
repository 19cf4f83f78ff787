"""Where cuts are found, and where not."""

from __future__ import annotations

import numpy as np

from tasks.shots import find_cuts

STEP = 40_000_000


def changes(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return times and luma changes of frames 40 ms apart."""
    return np.arange(len(values), dtype=np.int64) * STEP, np.array(values, np.float32)


def test_a_hard_cut_is_found_at_the_first_frame_after_it() -> None:
    """One large change in calm footage is a cut."""
    assert find_cuts(*changes([0, 1, 1, 1, 45, 1, 1, 1])) == [4 * STEP]


def test_fast_motion_is_no_cut() -> None:
    """Where every frame changes a lot, no frame is a cut."""
    assert find_cuts(*changes([0, 20, 22, 25, 21, 24, 20])) == []


def test_a_flash_is_no_cut() -> None:
    """There and back is a flash."""
    assert find_cuts(*changes([0, 1, 1, 60, 60, 1, 1])) == []


def test_a_dark_and_still_recording_has_no_cut() -> None:
    """Small changes stand out above nothing, and are no cut."""
    assert find_cuts(*changes([0, 0, 0, 6, 0, 0])) == []
