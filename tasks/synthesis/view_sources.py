"""What a missing camera's picture is fused from: the others, warped, and its own background.

Pictures of windows in, sources out; `ViewBaselines` knows the warps and the backgrounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.rigs.camera_warps import fitted_homography, warped
from tasks.synthesis.alignment import by_homography, flowed
from tasks.synthesis.rate_conversion import NEAR, Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.judging.window_baselines import ViewBaselines
    from tasks.rigs.camera_warps import Matrix
    from tasks.synthesis.alignment import Pixels
    from tasks.windows.pictures import Bytes, WindowPictures


# Side of the squares that homographies are fitted to.
_SIDE = 112


def view_sources(
    baselines: ViewBaselines,
    window: WindowPictures,
    camera: int,
    given: Sequence[int],
    step: int,
    *,
    background: bool = True,
) -> Sources:
    """Return the other cameras `given` as the missing one would see a plane of them, at a step.

    Of a rig that was trained on the camera's median picture is another source, of another moment;
    without `background` it is left out.
    """
    warps = [baselines.homography(window, camera, other, given) for other in given]
    shown = [window.frames[other, step] for other in given]
    still = baselines.background(window, camera) if background else None
    return sources_of(shown, warps, still)


def sources_of(
    pictures: Sequence[Bytes], homographies: Sequence[Matrix], background: Bytes | None
) -> Sources:
    """Warp pictures (3, side, side), and put a background of another moment beside them."""
    parts = [warped(one, h) for one, h in zip(pictures, homographies, strict=True)]
    found = [one.transpose(1, 2, 0) for one, _ in parts]
    trust = [there.astype(np.float32) for _, there in parts]
    if background is not None:
        found.append(background.transpose(1, 2, 0))
        trust.append(np.full(background.shape[1:], NEAR, np.float32))
    return Sources(np.stack(found), np.stack(trust))


def enlarged(homography: Matrix, side: int, size: tuple[int, int]) -> Matrix:
    """Return a homography between squares of `side` as one between pictures of (width, height)."""
    width, height = (one / side for one in size)
    # Pixel centres: x + .5 is what scales.
    scale = np.array([[width, 0, width / 2 - 0.5], [0, height, height / 2 - 0.5], [0, 0, 1]])
    return np.asarray(scale @ homography @ np.linalg.inv(scale))


def square(picture: Pixels, side: int) -> Bytes:
    """Return a picture (H, W, 3) squashed to (3, side, side)."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small.transpose(2, 0, 1), np.uint8)


def onto(frames: Pixels, others: Pixels) -> Sources:
    """Bring another camera's frames (T, H, W, 3) of the same moments onto those of one.

    By the homography between what stands still in both, then by dense flow; trusted is where the
    flows there and back agree. Pictures of too different cameras agree nearly nowhere.
    """
    ours, theirs = (
        square(np.asarray(np.median(some, axis=0), np.uint8), _SIDE) for some in (frames, others)
    )
    height, width = frames.shape[1:3]
    found = enlarged(fitted_homography(ours, theirs), _SIDE, (width, height))
    warped_others, there = by_homography(others, found)
    made, trust = [], []
    for one, other, reach in zip(frames, warped_others, there, strict=True):
        picture, held = flowed(one, other)
        made.append(picture)
        trust.append(held * reach)
    return Sources(np.stack(made), np.stack(trust))
