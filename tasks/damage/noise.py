"""Noise of a sensor: each frame, pixel and channel by itself.

Bytes in, bytes out. Kinds and the order of severities follow ImageNet-C (Hendrycks and Dietterich,
ICLR 2019), at levels for pictures of 112 px.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.damage.footage import to_bytes, to_light

if TYPE_CHECKING:
    from tasks.damage.footage import Floats, Footage, Pixels


def gauss(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Add normal noise of that standard deviation, in shares of white."""
    noise = _normal(frames, footage, "gauss")
    return to_bytes(to_light(frames) + noise * np.float32(level))


def speckle(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Multiply by 1 + normal noise of that standard deviation."""
    noise = _normal(frames, footage, "speckle")
    return to_bytes(to_light(frames) * (1 + noise * np.float32(level)))


def shot(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Count photons: white has `level` of them on average."""
    light = to_light(frames)
    counts = np.stack(
        [footage.of_frame(k, "shot").poisson(light[k] * level) for k in range(len(frames))]
    )
    return to_bytes(counts / level)


def impulse(frames: Pixels, level: float, footage: Footage) -> Pixels:
    """Make that share of the values black or white."""
    made = frames.copy()
    for k, frame in enumerate(made):
        drawn = footage.of_frame(k, "impulse").random((2, *frame.shape), dtype=np.float32)
        hit = drawn[0] < level
        frame[hit] = np.where(drawn[1][hit] < 0.5, 0, 255)
    return made


def _normal(frames: Pixels, footage: Footage, purpose: str) -> Floats:
    drawn = [
        footage.of_frame(k, purpose).standard_normal(frame.shape, dtype=np.float32)
        for k, frame in enumerate(frames)
    ]
    return np.stack(drawn)
