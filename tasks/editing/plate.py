"""What stands behind a region that is removed: frames in which it is elsewhere, or a guess.

Pure. The camera is taken to stand still: each pixel is the median of the frames in which neither
the region nor anything else that moves covers it. What is never seen so is filled in from its edges
(Telea 2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.editing.evidence import dilated
from tasks.editing.following import flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.editing.evidence import Bools, Floats, Pixels

# How far around the region its soft edge, blur of motion and coding reach, in shares of the
# picture's longer side.
HALO = 0.012
# What nobody saw is filled in at this size: there is no detail to be had.
FILL_SIDE = 320
STILL_PX, MOVING_PX = 1.0, 0.5


def clean_plate(
    frames: Sequence[Pixels], masks: Sequence[Floats], moving: Sequence[Bools] = ()
) -> tuple[Pixels, Bools]:
    """Return the picture (H, W, 3) without the region, and where (H, W) it is a guess.

    `frames` are some moments of a camera that stands still, `masks` (H, W) where the region is,
    `moving` (h, w), of any size, where anything moves (`moving_in`).

    Raises:
        ValueError: there is no frame.
    """
    if not frames:
        raise ValueError("there is no frame to see behind the region")
    reach = max(2, round(HALO * max(frames[0].shape[:2])))
    covered = np.stack([dilated(mask > 0.2, reach) for mask in masks])
    if moving:
        size = (covered.shape[2], covered.shape[1])
        stirred = [
            cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            for one in moving
        ]
        # What moves all the while and is never the region (a fountain) is its own background.
        covered |= np.stack(stirred) & covered.any(axis=0)
    unknown = np.asarray(covered.all(axis=0))
    plate = _median(np.stack(frames), covered)
    return (_filled(plate, unknown) if unknown.any() else plate), np.asarray(unknown)


def moving_in(pictures: Sequence[Pixels], frame: int) -> Bools:
    """Return where anything moves in a frame (h, w): by half a pixel until the frame beside it."""
    other = frame + 1 if frame + 1 < len(pictures) else max(0, frame - 1)
    moved = np.linalg.norm(flow(pictures[frame], pictures[other]), axis=2)
    return dilated(np.asarray(moved > MOVING_PX), 3)


def stands_still(pictures: Sequence[Pixels], masks: Sequence[Floats]) -> bool:
    """Tell whether a camera stands still: whether what is not the region does not move.

    The median flow from the first frame to others over the clip is at most 1 px of these pictures.
    """
    some = np.linspace(0, len(pictures) - 1, 4).round().astype(int)[1:]
    for k in some:
        rest = ~dilated((masks[0] > 0.2) | (masks[k] > 0.2), 4)
        moved = np.linalg.norm(flow(pictures[0], pictures[k]), axis=2)
        if rest.any() and float(np.median(moved[rest])) > STILL_PX:
            return False
    return True


def _median(frames: Pixels, covered: npt.NDArray[np.bool_]) -> Pixels:
    """Return the median (H, W, 3) of (N, H, W, 3) over what is not covered (N, H, W)."""
    plate = np.empty(frames.shape[1:], np.uint8)
    # A band at a time: floats of nine 1080p frames at once would be 220 MB.
    for top in range(0, len(plate), 64):
        band = frames[:, top : top + 64].astype(np.float32)
        hidden = covered[:, top : top + 64]
        # Covered everywhere: any value, it is filled in later.
        band[hidden & ~hidden.all(axis=0)] = np.nan
        plate[top : top + 64] = np.rint(np.nanmedian(band, axis=0))
    return plate


def _filled(plate: Pixels, unknown: Bools) -> Pixels:
    shrink = min(1.0, FILL_SIDE / max(unknown.shape))
    size = (max(1, round(unknown.shape[1] * shrink)), max(1, round(unknown.shape[0] * shrink)))
    small = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    hole = cv2.resize(unknown.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    guessed = cv2.inpaint(small, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    whole = cv2.resize(guessed, unknown.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(unknown[..., None], whole, plate).astype(np.uint8)
