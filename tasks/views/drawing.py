"""What views of people and bodies are drawn upon: the camera's picture, or plain grey. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Picture = npt.NDArray[np.uint8]

SIDE = 224
# Told apart by people with any colour vision (Okabe & Ito, 2008).
COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167), (255, 255, 255),
)  # fmt: skip


def ground(backdrop: Picture | None, note: str | None = None) -> Picture:
    """Return what to draw upon: a copy of the backdrop, dimmed, or grey; with a note if given."""
    picture: Picture = np.full((SIDE, SIDE, 3), 48, np.uint8)
    if backdrop is not None:
        picture = (backdrop * np.float32(0.7)).astype(np.uint8)
    if note:
        size = picture.shape[1] / 640
        cv2.putText(picture, note[:60], (4, picture.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX,
                    max(size, 0.3), (255, 255, 255), 1, cv2.LINE_AA)  # fmt: skip
    return picture


def to_pixels(points: npt.NDArray[np.floating], picture: Picture) -> npt.NDArray[np.int32]:
    """Return points (..., 2), 0 to 1 across a picture, as its pixels."""
    size = np.array([picture.shape[1], picture.shape[0]])
    pixels = np.rint(points.astype(np.float64) * size - 0.5).clip(-(1 << 14), 1 << 14)
    return np.asarray(pixels, np.int32)
