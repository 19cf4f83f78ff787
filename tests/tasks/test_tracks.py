from __future__ import annotations

import numpy as np
import pytest

from tasks.kernels.background import foreground
from tasks.kernels.overlap import overlaps
from tasks.kernels.sort_tracks import filled, follow
from tasks.views.silhouette import outlines
from tasks.views.tracks import blobs_of

STEPS = 25


def slide(start: tuple[float, float], speed: tuple[float, float]) -> np.ndarray:
    """Return a box of .1 x .2 that slides: (25, 4)."""
    low = np.array(start) + np.arange(STEPS)[:, None] * np.array(speed)
    return np.concatenate([low, low + np.array([0.1, 0.2])], axis=1)


def luma(noise: float = 1.0, pan: int = 0) -> np.ndarray:
    """Return a textured room in which a bright square crosses: (25, 112, 112)."""
    random = np.random.default_rng(1)
    room = random.integers(40, 160, (112, 240)).astype(float)
    frames = []
    for k in range(STEPS):
        frame = room[:, pan * k : pan * k + 112] + random.normal(0, noise, (112, 112))
        frame[40:60, 4 * k : 4 * k + 16] = 230
        frames.append(frame)
    return np.clip(frames, 0, 255).astype(np.uint8)


def test_boxes_overlap_by_their_share() -> None:
    """Half of each of two equal boxes is a third of both."""
    one, other = np.array([[0.0, 0.0, 2.0, 1.0]]), np.array([[1.0, 0.0, 3.0, 1.0]])
    assert overlaps(one, other)[0, 0] == pytest.approx(1 / 3)


def test_a_sliding_box_keeps_its_id() -> None:
    """One box through all steps is one track, gaps filled in at half the score."""
    boxes = slide((0.05, 0.3), (0.03, 0.0))
    shown = [boxes[k : k + 1] if k not in (9, 10) else boxes[:0] for k in range(STEPS)]
    (track,) = follow(shown, [np.ones(len(one)) for one in shown])
    steps, placed, scores = filled(track)
    assert steps.tolist() == list(range(STEPS))
    assert placed == pytest.approx(boxes, abs=1e-9)
    assert scores[[8, 9, 10, 11]].tolist() == [1, 0.5, 0.5, 1]


def test_boxes_that_cross_keep_their_ids() -> None:
    """Two boxes pass each other: velocity tells who is who, which nearest boxes do not."""
    right, left = slide((0.05, 0.3), (0.03, 0.0)), slide((0.77, 0.32), (-0.03, 0.0))
    # In changing order, and hidden from one another where they meet.
    shown = []
    for k in range(STEPS):
        both = np.stack([right[k], left[k]] if k % 2 else [left[k], right[k]])
        shown.append(both if abs(k - 12) > 1 else both[:1])
    first, second = follow(shown, [np.ones(len(one)) for one in shown])
    for track in (first, second):
        middles = [(box[0] + box[2]) / 2 for box in track.boxes]
        assert np.abs(np.diff(middles)).max() < 0.16
        assert abs(middles[-1] - middles[0]) > 0.6


def test_what_flickers_is_no_track() -> None:
    """A box seen twice is noise."""
    box = slide((0.5, 0.5), (0, 0))
    shown = [box[k : k + 1] if k in (3, 4) else box[:0] for k in range(STEPS)]
    assert follow(shown, [np.ones(len(one)) for one in shown]) == []


def test_what_crosses_a_still_room_is_foreground() -> None:
    """The square is found at every step, noise and the room are not."""
    found = foreground(luma(), np.ones(STEPS, bool))
    assert found.absent is None
    for k in (2, 12, 22):
        truth = np.zeros((112, 112), bool)
        truth[40:60, 4 * k : 4 * k + 16] = True
        both, any_ = (found.masks[k] & truth).sum(), (found.masks[k] | truth).sum()
        assert both / any_ > 0.8
    boxes, shares = blobs_of(found.masks[12])
    assert boxes[0] == pytest.approx([48 / 112, 40 / 112, 64 / 112, 60 / 112], abs=0.03)
    assert shares[0] > 0.8


def test_a_change_of_light_is_no_movement() -> None:
    """Brighter by 30 levels from one step on: nothing moves but the square."""
    lit = luma().astype(int)
    lit[15:] += 25
    found = foreground(lit.clip(0, 255).astype(np.uint8), np.ones(STEPS, bool))
    assert found.masks[20].mean() < 0.06


def test_a_moving_camera_has_no_background() -> None:
    """It is said, and no step is usable; so it is of a clip of three steps."""
    found = foreground(luma(pan=4), np.ones(STEPS, bool))
    assert not found.usable.any()
    assert found.absent is not None
    assert "camera moves" in found.absent
    few = np.zeros(STEPS, bool)
    few[:3] = True
    assert "too few" in (foreground(luma(), few).absent or "")


def test_outlines_go_round_the_two_largest() -> None:
    """Points lie on the edges, clockwise from the top; a third body and nothing are left out."""
    likely = np.zeros((56, 56), np.float32)
    likely[10:30, 5:20] = likely[35:45, 30:50] = likely[2:5, 40:43] = 1
    lines = outlines(likely)
    assert lines.shape == (2, 64, 2)
    low, high = lines[0].min(axis=0) / 255 * 56, lines[0].max(axis=0) / 255 * 56
    assert low == pytest.approx([5, 10], abs=0.5)
    assert high == pytest.approx([20, 30], abs=0.5)
    assert lines[0, 0, 1] == lines[0, :, 1].min()
    assert lines[0, 8, 0] > lines[0, 0, 0]
    assert not outlines(np.zeros((56, 56), np.float32)).any()
