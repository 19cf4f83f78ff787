"""A marked region, as masks of every frame of every camera.

Pure. The region is found in the other cameras at the marked instant, or, where it is not seen
there, at other moments of the marked camera; each camera then follows its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.editing.evidence import background, learnt
from tasks.editing.finding import Look, find
from tasks.editing.following import Clip, follow
from tasks.editing.guided import guided

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from tasks.editing.evidence import Evidence, Floats, Pixels
    from tasks.editing.finding import Reason
    from tasks.rigs.calibration import CameraModel

# Regions are followed in pictures of this longer side.
WORK_SIDE = 480
# Other moments at which a camera that does not see the region is asked again.
MOMENTS = 4
_RADIUS_PX = 3


@dataclass(frozen=True)
class Seen:
    """One camera: its frames (h, w, 3) at working size, their session times, its calibration."""

    camera_id: str
    pictures: Sequence[Pixels]
    times_ns: Sequence[int]
    camera: CameraModel | None = None  # of the pictures' size

    def frame_at(self, t_ns: int) -> int:
        """Return the frame that is nearest to an instant."""
        return int(np.abs(np.asarray(self.times_ns, np.int64) - t_ns).argmin())


@dataclass(frozen=True)
class Region:
    """The region in one camera: a mask (h, w) 0..1 a frame, and why there is none, if there is."""

    masks: list[Floats]
    reason: Reason

    @property
    def visible(self) -> float:
        """The share of frames in which any of it is seen."""
        return float(np.mean([mask.max() > 0.5 for mask in self.masks]))


def work_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height at which a picture of `size` is worked on."""
    shrink = min(1.0, WORK_SIDE / max(size))
    width, height = (max(8, round(side * shrink)) for side in size)
    return width, height


class Regions:
    """Follows one marked region; `features` (or None) gives those of a picture."""

    def __init__(
        self,
        marked: Seen,
        start: int,
        mask: Floats,
        features: Callable[[Pixels], Tensor] | None = None,
    ) -> None:
        """`mask` (h, w), 0..1, is the region in frame `start` of the marked camera.

        Raises:
            ValueError: the mask is empty.
        """
        self._marked, self._start, self._features = marked, start, features
        self._mask = mask
        self._behind = background(marked.pictures)
        self.evidence: Evidence = learnt(marked.pictures[start], mask > 0.5, self._behind)
        self._own: list[Floats] | None = None

    def marked(self) -> Region:
        """Return the region in the camera it was marked in."""
        if self._own is None:
            clip = self._clip(self._marked, self._behind)
            self._own = follow(clip, self._start, self._mask, self.evidence)
        return Region(self._own, "seen")

    def other(self, camera: Seen, helpers: Sequence[Seen] = ()) -> Region:
        """Return the region in another camera; `helpers` are more cameras that tell its depth."""
        behind = background(camera.pictures)
        reason: Reason = "not_found"
        for number, start in enumerate(self._moments()):
            t_ns = self._marked.times_ns[start]
            mask = self._mask if start == self._start else self.marked().masks[start]
            if mask.max() < 0.5:
                continue
            at = camera.frame_at(t_ns)
            looks = [self._look(camera, at, behind)]
            looks += [
                self._look(one, one.frame_at(t_ns), background(one.pictures)) for one in helpers
            ]
            here = self._look(self._marked, start, self._behind)
            found = find(here, mask, looks, self.evidence)[0]
            if found.reason == "seen":
                # From here on the camera's own colours are the better witness.
                evidence = learnt(camera.pictures[at], found.mask > 0.5, behind)
                return Region(follow(self._clip(camera, behind), at, found.mask, evidence), "seen")
            reason = found.reason if not number else reason
        empty = np.zeros(camera.pictures[0].shape[:2], np.float32)
        return Region([empty] * len(camera.pictures), reason)

    def _moments(self) -> list[int]:
        """Return the marked frame, then others of its camera, spread over the clip."""
        count = len(self._marked.pictures)
        others = [count * (2 * k + 1) // (2 * MOMENTS) for k in range(MOMENTS)]
        return [self._start, *(k for k in others if k != self._start)]

    def _look(self, camera: Seen, frame: int, behind: Pixels) -> Look:
        picture = camera.pictures[frame]
        features = self._features(picture) if self._features else None
        return Look(picture, behind, camera.camera, features)

    def _clip(self, camera: Seen, behind: Pixels) -> Clip:
        if self._features is None:
            return Clip(camera.pictures, behind)
        held: dict[int, Tensor] = {}
        make = self._features

        def features(frame: int) -> Tensor:
            if frame not in held:
                held[frame] = make(camera.pictures[frame])
            return held[frame]

        return Clip(camera.pictures, behind, features)


def full_alpha(mask: Floats, small: Pixels, full: Pixels) -> Floats:
    """Return a mask (h, w) of a small picture as the alpha (H, W) of the full one."""
    if mask.max() < 0.5:
        return np.zeros(full.shape[:2], np.float32)
    alpha = guided(mask, small, _RADIUS_PX, full)
    # The filter leaves a veil around: what is under a fifth is none of it.
    alpha = ((alpha - 0.2) / 0.6).clip(0, 1)
    size = (full.shape[1], full.shape[0])
    near = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 0.05
    return np.asarray(alpha * near, np.float32)
