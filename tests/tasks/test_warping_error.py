from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tasks.judging.warping_error import Motion

if TYPE_CHECKING:
    import numpy.typing as npt

    Grey = npt.NDArray[np.uint8]


def texture(seed: int = 0, side: int = 128) -> Grey:
    """A smooth random picture with edges in it."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_a_picture_that_only_moves_has_no_error_and_flicker_has() -> None:
    """A pan leaves nearly nothing; ten levels of flicker are ten levels of error."""
    whole = texture(side=160)
    before, after = whole[16:144, 16:144], whole[16:144, 19:147]
    motion = Motion.between(before, after)
    assert motion.seen.mean() > 0.9
    inner = motion.at[20:-20, 20:-20, 0] - np.arange(20, 108)
    assert np.median(inner) == pytest.approx(3, abs=0.1)
    assert motion.error(before, after) < 1.0
    brighter = np.minimum(after.astype(int) + 10, 255).astype(np.uint8)
    assert motion.error(before, brighter) == pytest.approx(10, abs=1.5)


def test_what_was_covered_does_not_count() -> None:
    """A block that appears from nowhere is left out where flow finds no way back."""
    before = texture(1)
    after = before.copy()
    after[40:80, 40:80] = texture(2)[:40, :40]
    motion = Motion.between(before, after)
    assert motion.seen[40:80, 40:80].mean() < 0.5
    assert motion.seen[90:].mean() > 0.95


def test_without_any_pixel_in_common_it_is_no_number() -> None:
    """Nothing was seen: there is no error to tell of."""
    grey = texture()
    nothing = Motion(Motion.between(grey, grey).at, np.zeros(grey.shape, bool))
    assert np.isnan(nothing.error(grey, grey))
