"""What is measured of a painted clip: steadiness, edges kept. Reads and writes nothing.

Warping error as in Lai et al., ECCV 2018: a frame against the one before it brought along by
optical flow, where the flow can be believed. The flow is that of the footage, by DIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from models.metrics import luma, ssim

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

# px, by which flow there and back may miss its start.
ROUND_TRIP = 1.0


def unit(frame: Pixels) -> Floats:
    """8 bits -> 0..1."""
    return np.asarray(frame, np.float32) / np.float32(255)


class Motion:
    """How a frame follows from the one before it."""

    def __init__(self, before: Pixels, after: Pixels) -> None:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        one, other = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after))
        back = dis.calc(other, one, None)
        there = dis.calc(one, other, None)
        height, width = one.shape
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        self._from = (grid + back).astype(np.float32)
        returned = cv2.remap(there, self._from, None, cv2.INTER_LINEAR)
        missed = np.linalg.norm(back + returned, axis=-1)
        inside = (self._from >= 0).all(axis=-1) & (self._from <= (width - 1, height - 1)).all(-1)
        self._seen = inside & (missed < ROUND_TRIP)

    def error(self, before: Floats, after: Floats) -> float:
        """Root mean squared error of `after` against `before` brought along; (H, W, 3), 0..1."""
        if not self._seen.any():
            return 0.0
        brought = cv2.remap(before, self._from, None, cv2.INTER_LINEAR)
        return float(np.sqrt(np.square(after - brought)[self._seen].mean()))


def edge_ssim(ours: Floats, footage: Floats) -> float:
    """SSIM of the strengths of edges of two pictures (H, W, 3) 0..1: is what was there still there?

    Each is divided by its own 99th percentile: painting may have stronger edges than footage.
    """
    return float(ssim(_edges(ours), _edges(footage)))


def _edges(picture: Floats) -> torch.Tensor:
    grey = luma(torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)).numpy()
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    strength = np.hypot(dx, dy)
    return torch.from_numpy(strength / max(float(np.quantile(strength, 0.99)), 1e-6)).clamp(0, 1)
