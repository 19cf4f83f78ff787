"""Pictures and sounds of shots put together by their weights.

Pure. Pictures are rgb24, sounds float32 (channels, n). Nothing is shown as black and silence:
weights below one leave the rest dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.editing.timeline import Mix

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

# A picture in the corner: its share of the width, and its distance from the edges.
CORNER, EDGE = 0.3, 0.03

Weighted = tuple["Pixels", float]


def fitted(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Return a picture as large as fits `size` (width, height), in the middle of black."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = [max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0])]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, inner, interpolation=way)
    whole = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    whole[top : top + inner[1], left : left + inner[0]] = small
    return whole


def blended(shown: Sequence[Weighted], size: tuple[int, int]) -> Pixels:
    """Return the weighted sum of pictures, each fitted to `size`; weights sum to at most 1."""
    if len(shown) == 1 and shown[0][1] == 1:
        return fitted(shown[0][0], size)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for picture, weight in shown:
        total += fitted(picture, size).astype(np.float32) * np.float32(weight)
    return np.asarray(total.round().clip(0, 255), np.uint8)


def mixed(tracks: Sequence[Sequence[Weighted]], mix: Mix, size: tuple[int, int]) -> Pixels:
    """Return one picture of what each track shows, the lowest track first."""
    if mix.kind == "side_by_side":
        return _beside(tracks, size)
    if mix.kind == "picture_in_picture":
        return _in_corners(tracks, size)
    if mix.kind == "weighted":
        weighted = [
            (p, w * s) for track, s in zip(tracks, mix.weights, strict=True) for p, w in track
        ]
        return blended(weighted, size)
    if len(tracks) == 1:
        return blended(tracks[0], size)
    under = np.zeros((size[1], size[0], 3), np.float32)
    for track in tracks:
        shown = min(1.0, sum(weight for _, weight in track))
        under = under * (1 - shown) + blended(track, size)
    return np.asarray(under.round().clip(0, 255), np.uint8)


def _beside(tracks: Sequence[Sequence[Weighted]], size: tuple[int, int]) -> Pixels:
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    edges = [round(size[0] * k / len(tracks)) for k in range(len(tracks) + 1)]
    for track, left, right in zip(tracks, edges, edges[1:], strict=False):
        whole[:, left:right] = blended(track, (right - left, size[1]))
    return whole


def _in_corners(tracks: Sequence[Sequence[Weighted]], size: tuple[int, int]) -> Pixels:
    """Return the first track with the others small, from the lower right corner leftwards."""
    whole = blended(tracks[0], size).copy()
    width, height = size
    inner = max(1, round(CORNER * width)), max(1, round(CORNER * height))
    edge = round(EDGE * width)
    for number, track in enumerate(tracks[1:]):
        left = width - (number + 1) * (inner[0] + edge)
        top = height - inner[1] - edge
        if track and left >= 0 and top >= 0:
            whole[top : top + inner[1], left : left + inner[0]] = blended(track, inner)
    return whole
