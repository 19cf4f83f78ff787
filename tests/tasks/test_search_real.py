"""The index and near-duplicates on real pictures, which crowd as made-up numbers do not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.span import SECOND_NS, Span
from models.inverted_lists import InvertedLists, list_count
from models.near_pairs import near_groups
from models.nearest_groups import groups_by_lists, nearest_groups, similarities, unit
from tasks.decode import Scale, Source, frames

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "single" / "intel"
SMALL = Scale("small", 128, 72, "gray")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Return frames of several real recordings (N, 144), of length 1, those of one in a row."""
    videos = sorted((FOLDER / "asl_gestures").glob("*.mkv")) if FOLDER.is_dir() else []
    if not videos:
        pytest.skip(f"no real footage at {FOLDER}")
    found = []
    for video in videos:
        span = Span(0, 5 * SECOND_NS)
        for frame in frames(Source(str(video)), span, (SMALL,), start_pts=0):
            image = frame.images["small"].squeeze().astype(np.float32)
            small = cv2.resize(image, (16, 9), interpolation=cv2.INTER_AREA).ravel()
            found.append(small - small.mean())
    return unit(np.stack(found))


def test_the_index_finds_what_a_scan_finds(pictures: np.ndarray) -> None:
    """Of the ten frames nearest to a frame that was moved a little, nine and a half."""
    lists = InvertedLists.fit(pictures, list_count(len(pictures)))
    random = np.random.default_rng(0)
    starts = np.arange(len(pictures))
    hits = 0
    for k in random.choice(len(pictures), 40, replace=False):
        query = unit(pictures[k] + 0.005 * random.standard_normal((1, pictures.shape[1])))
        true = nearest_groups(similarities(pictures, query), starts, 10)
        near = groups_by_lists(lists, query, starts, 10)
        assert near is not None
        hits += len(set(true.groups.tolist()) & set(near.groups.tolist()))
    assert hits / 400 >= 0.95


def test_a_coarser_copy_of_a_frame_is_tied_to_it(pictures: np.ndarray) -> None:
    """Frames far from one another, rounded to 16 levels, are each in one group with its own."""
    some = pictures[:: max(1, len(pictures) // 30)]
    step = np.ptp(some) / 32
    both = unit(np.concatenate([some, np.round(some / step) * step]))
    count = len(some)
    groups = near_groups(both, 0.01, lambda a, b: (a < count) != (b < count))
    own = {(k, k + count) for k in range(count)}
    tied = {(a, b) for one in groups for a in one.tolist() for b in one.tolist() if a < b}
    assert own <= tied
