"""How steady a video is: what is left between a frame and the one before it, moved to its place.

Pure. The motion is that of the truth (DIS, Kroeger et al. 2016), the same for every method that is
compared, so no method gains by moving otherwise; pixels whose way back does not lead home are left
out (Lai et al. 2018, arXiv:1808.00449). The truth has such an error too: of flow, noise and light.
Less than that is not better: a blurred video is steadier than what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Grey = npt.NDArray[np.uint8]
    Field = npt.NDArray[np.float32]
    Bools = npt.NDArray[np.bool_]

HOME_PX = 1.0  # further from home than this a pixel was covered, or its flow is wrong


@dataclass(frozen=True, slots=True)
class Motion:
    """Where each pixel was one frame before: (H, W, 2) in pixels, and whether it was seen."""

    at: Field
    seen: Bools

    @classmethod
    def between(cls, before: Grey, after: Grey) -> Motion:
        """Measure it on two true frames (H, W) uint8."""
        there, back = flow(after, before), flow(before, after)
        at = _grid(after.shape) + there
        home = there + moved(back, at)
        far = np.square(home).sum(axis=-1)
        return cls(at, (far <= HOME_PX**2) & _inside(at))

    def error(self, before: Grey, after: Grey) -> float:
        """Mean absolute difference in levels of 255 where the pixel was seen; nan if none was."""
        if not self.seen.any():
            return float("nan")
        left = moved(before.astype(np.float32), self.at) - after
        return float(np.abs(left[self.seen]).mean())


def flow(from_: Grey, to: Grey) -> Field:
    """Return where each pixel (H, W) of one frame is in another, as (H, W, 2) offsets in pixels."""
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(method.calc(*map(np.ascontiguousarray, (from_, to)), None), np.float32)  # type: ignore[call-overload]  # it makes the field


def moved(picture: Field | Grey, at: Field) -> Field:
    """Return (H, W[, C]) read at places (H, W, 2); beyond the edge is the edge."""
    found = cv2.remap(
        picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found, picture.dtype)


def _grid(shape: tuple[int, ...]) -> Field:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([x, y], axis=-1)


def _inside(at: Field) -> Bools:
    height, width = at.shape[:2]
    x, y = at[..., 0], at[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1))
