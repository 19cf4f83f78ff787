"""What a missing camera's picture is fused from: the others, warped, and its own background.

Pictures of windows in, sources out; `ViewBaselines` knows the warps and the backgrounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.camera_warps import warped
from tasks.rate_conversion import NEAR, Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.camera_warps import Matrix
    from tasks.window_baselines import ViewBaselines
    from tasks.window_pictures import Bytes, WindowPictures


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
