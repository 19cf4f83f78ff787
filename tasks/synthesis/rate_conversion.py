"""The moment between two frames: what a network fuses into it, and what it must beat.

Frames in, frames out, uint8 (H, W, 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.synthesis.alignment import blended, warps_between

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.synthesis.alignment import Pixels, Trust

# Trust in a camera's picture of another time, and in a frame that stands in for the one after.
NEAR, STALE = 0.5, 0.05


class Sources(NamedTuple):
    """Pictures (N, H, W, 3) of one moment, aligned, and the trust (N, H, W) in each pixel."""

    pictures: Pixels
    trust: Trust


def rate_sources(before: Pixels, after: Pixels, part: float = 0.5) -> Sources:
    """Return both frames warped to the moment between, their blend, and both as they are.

    The blend is what is shown where the network expects to harm.
    """
    warped = warps_between(before, after, part)
    pictures = [one for one, _ in warped] + [blended(*warped, part), before, after]
    flat = np.full(before.shape[:2], 1, np.float32)
    trust = [np.maximum(held, STALE) for _, held in warped] + [flat, STALE * flat, STALE * flat]
    return Sources(np.stack(pictures), np.stack(trust))


def plain_between(sources: Sources) -> Mapping[str, Pixels]:
    """Return what needs no learning: the warped blend, the mean, and the frame before again."""
    *_, blend, before, after = sources.pictures
    average = np.rint((before.astype(np.float32) + after) / 2).astype(np.uint8)
    return {"warp": blend, "average": average, "repeat": before}
