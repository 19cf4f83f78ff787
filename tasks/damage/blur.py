"""Blur: out of focus, or moved while the shutter was open.

Bytes in, bytes out. Levels are shares of the picture's shorter side, so that pictures of any size
lose the same detail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.damage.footage import to_bytes, to_light

if TYPE_CHECKING:
    from tasks.damage.footage import Floats, Footage, Pixels

# Kernels are drawn on a grid this much finer, so that a radius of 1.3 px is not one of 1.
FINER = 8


def defocus(frames: Pixels, level: float, footage: Footage) -> Pixels:  # noqa: ARG001  no chance
    """Spread each point over a disk of that radius."""
    radius = level * min(frames.shape[1:3])
    size = 2 * int(np.ceil(radius)) + 1
    fine = np.zeros((size * FINER, size * FINER), np.float32)
    middle = fine.shape[0] // 2
    cv2.circle(fine, (middle, middle), max(1, round(radius * FINER)), 1.0, -1)
    return _filtered(frames, fine)


def motion(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Spread each point along a line of that length; its direction is the camera's."""
    length = level * min(frames.shape[1:3])
    angle = footage.of_camera("motion").uniform(0, np.pi)
    size = 2 * int(np.ceil(length / 2)) + 1
    fine = np.zeros((size * FINER, size * FINER), np.float32)
    middle = np.array([fine.shape[0] / 2] * 2)
    along = np.array([np.cos(angle), np.sin(angle)]) * length / 2 * FINER
    ends = [tuple(int(x) for x in np.rint(middle + sign * along)) for sign in (-1, 1)]
    cv2.line(fine, ends[0], ends[1], 1.0, FINER)
    return _filtered(frames, fine)


def _filtered(frames: Pixels, fine: Floats) -> Pixels:
    side = fine.shape[0] // FINER
    kernel = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    kernel /= kernel.sum()
    light = to_light(frames)
    made = [cv2.filter2D(frame, -1, kernel, borderType=cv2.BORDER_REFLECT) for frame in light]
    return to_bytes(np.stack(made))
