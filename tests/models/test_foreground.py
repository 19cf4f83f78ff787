from __future__ import annotations

import math

import pytest
import torch

from models.foreground import clip_median, foreground_psnr, motion_mask


def moving_square() -> torch.Tensor:
    """Five frames of 20 x 30 in which a bright 4 x 4 square takes a new place each time."""
    clip = torch.full((5, 20, 30), 0.3)
    for k in range(5):
        clip[k, 8:12, 5 * k : 5 * k + 4] = 0.8
    return clip


def test_the_mask_is_where_the_square_is() -> None:
    """The median knows the empty scene, and each frame marks its own 16 pixels."""
    clip = moving_square()
    torch.testing.assert_close(clip_median(clip), torch.full((20, 30), 0.3))
    moved = motion_mask(clip)
    assert moved.sum(dim=(-2, -1)).tolist() == [16] * 5
    assert torch.equal(moved, clip > 0.5)


def test_a_longer_clip_sees_what_stands_still_for_a_moment() -> None:
    """A square that waits is part of its own median, but not of the empty scene's."""
    waits = moving_square()[:1].expand(5, -1, -1)
    assert not motion_mask(waits).any()
    assert motion_mask(waits, still=torch.full((20, 30), 0.3)).sum() == 5 * 16


def test_a_perfect_background_earns_nothing() -> None:
    """The still scene scores by its error of .5 in the square alone: 6.02 dB."""
    clip = moving_square()
    still = torch.full_like(clip, 0.3)
    found = foreground_psnr(still, clip, motion_mask(clip))
    assert found.item() == pytest.approx(-20 * math.log10(0.5), abs=1e-4)
    wild = torch.where(motion_mask(clip), clip + 0.01, math.nan)
    assert foreground_psnr(wild, clip, motion_mask(clip)).item() == pytest.approx(40, abs=1e-2)


def test_a_clip_without_motion_is_not_judged() -> None:
    """There is no number, rather than a flattering one; its neighbour in the batch has one."""
    clips = torch.stack([torch.full((5, 20, 30), 0.3), moving_square()])
    found = foreground_psnr(clips, clips, motion_mask(clips))
    assert found.isnan().tolist() == [True, False]
    assert found[1].item() == pytest.approx(100)
    with pytest.raises(ValueError, match="shapes differ"):
        foreground_psnr(clips, clips, motion_mask(clips)[0])
