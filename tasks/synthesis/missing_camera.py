"""A camera that is missing in a clip: what is known of it from other times, and its warps.

Reads the archive through `decode`; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from catalog.span import SECOND_NS, Span
from tasks.decode import Scale, frames
from tasks.rigs.camera_warps import fitted_homography
from tasks.synthesis.alignment import by_homography
from tasks.synthesis.rate_conversion import NEAR, Sources
from tasks.synthesis.view_sources import enlarged, square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.recordings.sources import ClipSource
    from tasks.rigs.camera_warps import Matrix
    from tasks.synthesis.alignment import Pixels

# How much before or after a clip is looked at, how many frames of it, and at which side.
_AROUND_NS, _FRAMES, _SIDE = 8 * SECOND_NS, 24, 112


@dataclass(frozen=True, eq=False)
class MissingCamera:
    """Homographies from the others' pictures to it, and its background at another time.

    Without a background there is no warp: other cameras are shown as they are.
    """

    homographies: tuple[Matrix, ...]
    background: Pixels | None

    @classmethod
    def of(cls, clip: ClipSource, others: Sequence[ClipSource], size: tuple[int, int]) -> Self:
        """Look at the recordings before the clip, else after it; never at the clip's own frames."""
        still = _still(clip, size)
        if still is None:
            return cls(tuple(np.eye(3) for _ in others), None)
        ours = square(still, _SIDE)
        found = []
        for other in others:
            theirs = _still(other, size)
            warp = np.eye(3) if theirs is None else fitted_homography(ours, square(theirs, _SIDE))
            found.append(enlarged(warp, _SIDE, size))
        return cls(tuple(found), still)

    def sources(self, pictures: Sequence[Pixels]) -> Sources:
        """Return the others' pictures (H, W, 3) of a moment, warped, and the background."""
        parts = [
            by_homography(one[None], h) for one, h in zip(pictures, self.homographies, strict=True)
        ]
        shown, trust = [one[0] for one, _ in parts], [held[0] for _, held in parts]
        if self.background is not None:
            shown.append(self.background)
            trust.append(np.full(self.background.shape[:2], NEAR, np.float32))
        return Sources(np.stack(shown), np.stack(trust))

    def plain(self, pictures: Sequence[Pixels]) -> Pixels:
        """Return the mean of what is warped, the background where nothing reaches."""
        shown, trust = self.sources(pictures)
        if self.background is not None:
            # A tiny share: it counts where no other does.
            trust[-1] = 1e-3
        weight = np.maximum(trust, 1e-6)[..., None]
        return np.asarray(np.rint((shown * weight).sum(axis=0) / weight.sum(axis=0)), np.uint8)


def _still(clip: ClipSource, size: tuple[int, int]) -> Pixels | None:
    """Return the median of frames before a clip, else after it; None if there are none."""
    own = clip.recording_span
    before = Span(max(0, own.start_ns - _AROUND_NS), own.start_ns)
    for span in (before, Span(own.end_ns, own.end_ns + _AROUND_NS)):
        if span.end_ns <= span.start_ns:
            continue
        scale = Scale("still", *size, "rgb24")
        found = [
            frame.images["still"]
            for frame in frames(clip.source, span, (scale,), start_pts=clip.start_pts)
        ]
        if len(found) >= 2:
            at = np.unique(np.linspace(0, len(found) - 1, _FRAMES).round().astype(int))
            return np.asarray(np.median(np.stack([found[k] for k in at]), axis=0), np.uint8)
    return None
