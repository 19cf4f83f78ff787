"""What is in the way or not as it was mounted: rotation, a moving box, a coarser camera.

Bytes in, bytes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from tasks.damage.footage import Footage, Pixels

# Shares of the picture that the box moves in a frame, at the most.
SPEED = 0.06


def rotation(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Turn the picture by so many degrees, one way or the other."""
    height, width = frames.shape[1:3]
    sign = 1 if footage.of_camera("rotation").random() < 0.5 else -1
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), sign * level, 1.0)
    made = [
        cv2.warpAffine(
            frame, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        for frame in frames
    ]
    return np.asarray(np.stack(made), np.uint8)


def occlusion(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Cover that share of the picture with a box of one colour that moves and turns back.

    A larger box covers whatever a smaller one does, so a severity never shows what one below hides.
    """
    height, width = frames.shape[1:3]
    rng = footage.of_camera("occlusion")
    colour = rng.integers(0, 256, 3, dtype=np.uint8)
    start, speed = rng.random(2), rng.uniform(-SPEED, SPEED, 2)
    side = np.sqrt(level)
    box_h, box_w = round(side * height), round(side * width)
    made = frames.copy()
    for k, number in enumerate(footage.numbers):
        # To and fro between the borders, as a triangle wave of the frame's number.
        at = 1 - np.abs((start + speed * number) % 2 - 1)
        top, left = round(float(at[0]) * (height - box_h)), round(float(at[1]) * (width - box_w))
        made[k, top : top + box_h, left : left + box_w] = colour
    return made


def resolution(frames: Pixels, level: float, footage: Footage) -> Pixels:  # noqa: ARG001  no chance
    """Show what a camera with 1 / level of the lines sees, at the size of the others."""
    height, width = frames.shape[1:3]
    small = (max(1, round(width / level)), max(1, round(height / level)))
    made = [
        cv2.resize(
            cv2.resize(frame, small, interpolation=cv2.INTER_AREA),
            (width, height),
            interpolation=cv2.INTER_LINEAR,
        )
        for frame in frames
    ]
    return np.asarray(np.stack(made), np.uint8)
