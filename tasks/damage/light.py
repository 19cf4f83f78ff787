"""Light and colour: brightness, contrast, saturation, a dark room, fog, a colour cast.

Bytes in, bytes out. What may go either way (brighter or darker, warm or cold) goes the camera's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.damage.footage import to_bytes, to_light

if TYPE_CHECKING:
    from tasks.damage.footage import Footage, Pixels

GAMMA = 2.2
# Photons of a white pixel in daylight; a dark room has a share of them, and their noise.
PHOTONS = 400.0
FOG, FOG_CELLS, FOG_DEPTH = 0.85, 4, 0.3
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def brightness(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Add or take away that share of white."""
    return to_bytes(to_light(frames) + np.float32(level * _sign(footage, "brightness")))


def contrast(frames: Pixels, level: float, footage: Footage) -> Pixels:  # noqa: ARG001  no chance
    """Keep that factor of each frame's distance from its mean."""
    light = to_light(frames)
    mean = light.mean(axis=(1, 2, 3), keepdims=True)
    return to_bytes(mean + (light - mean) * np.float32(level))


def saturation(frames: Pixels, level: float, footage: Footage) -> Pixels:  # noqa: ARG001  no chance
    """Keep that factor of each pixel's distance from grey."""
    light = to_light(frames)
    grey = (light @ _LUMA)[..., None]
    return to_bytes(grey + (light - grey) * np.float32(level))


def low_light(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Take that share of the light, in linear light, and the noise of the photons that are left."""
    linear = to_light(frames) ** np.float32(GAMMA)
    counts = np.stack(
        [
            footage.of_frame(k, "low_light").poisson(frame * (level * PHOTONS))
            for k, frame in enumerate(linear)
        ]
    )
    return to_bytes((counts / PHOTONS) ** (1 / GAMMA))


def fog(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Mix with grey white, more here and less there; the fog stands still."""
    cells = footage.of_camera("fog").random((FOG_CELLS, FOG_CELLS), dtype=np.float32)
    height, width = frames.shape[1:3]
    field = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    thick = (level * (1 + FOG_DEPTH * (2 * field.clip(0, 1) - 1))).clip(0, 1)[..., None]
    return to_bytes(to_light(frames) * (1 - thick) + np.float32(FOG) * thick)


def colour_cast(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Multiply red by 1 + level and blue by 1 - level, or the other way round."""
    tilt = np.float32(level * _sign(footage, "colour_cast"))
    return to_bytes(to_light(frames) * np.array([1 + tilt, 1, 1 - tilt], np.float32))


def _sign(footage: Footage, purpose: str) -> int:
    return 1 if footage.of_camera(purpose).random() < 0.5 else -1
