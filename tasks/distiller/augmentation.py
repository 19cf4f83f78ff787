"""Windows as other cameras might have seen them: nearer, mirrored, in other colours.

Tensors in, tensors out. A home has few scenes and a picture has many parts: without this the
distiller knew its training scenes by heart (24 dB there, 13.5 dB elsewhere, after 400 steps).
Every view is changed alike, and what a net is told of a camera too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.extractor import PIXEL_VIEWS, SKELETON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    Windows = Mapping[str, Tensor]

NEARER, MIRRORED, COLOURED, SWAPPED, INVERTED = 0.8, 0.5, 0.8, 0.4, 0.1  # shares of windows
LEAST_SIDE = 0.35  # of the picture's, of what is kept when it comes nearer
# Where each joint of BlazePose stands in a mirror.
_MIRROR = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9]
_MIRROR += [k + 1 if k % 2 else k - 1 for k in range(11, 33)]


def augmented(windows: Windows, rng: np.random.Generator) -> dict[str, Tensor]:
    """Return windows (B, V, T, ...) seen otherwise; the given ones stay as they are."""
    batch, cameras = windows["camera_known"].shape
    crops = np.zeros((batch, cameras, 3), np.float32)  # left, top, side
    crops[..., 2] = 1.0
    for row in (rng.random(batch) < NEARER).nonzero()[0]:
        side = rng.uniform(LEAST_SIDE, 1.0, cameras)
        crops[row] = np.stack([*(rng.random((2, cameras)) * (1 - side)), side], axis=1)
    # What a mirror does to a calibration is no camera's: handedness would change.
    mirrored = torch.from_numpy(rng.random(batch) < MIRRORED)
    mirrored = mirrored & ~windows["camera_known"].any(dim=1)
    kept = torch.from_numpy(crops)
    found = dict(windows)
    for name in PIXEL_VIEWS:
        if name in windows:
            found[name] = _seen(name, windows[name], kept, mirrored)
    if SKELETON in windows:
        found[SKELETON] = _joints(windows[SKELETON], kept, mirrored)
    found["camera"] = _vectors(windows["camera"], windows["camera_known"], kept)
    if "rgb" in found:
        found["rgb"] = _coloured(found["rgb"], rng)
    return found


def _seen(name: str, x: Tensor, crops: Tensor, mirrored: Tensor) -> Tensor:
    """Cut (B, V, T, C, h, w) to crops (B, V, 3) and enlarge them again."""
    batch, cameras, _, _, height, width = x.shape
    left, top, side = crops.unbind(dim=2)
    turn = torch.where(mirrored, -1.0, 1.0)[:, None].expand_as(side)
    zero = torch.zeros_like(side)
    # Output coordinates -1..1 to input coordinates -1..1.
    theta = torch.stack(
        [side * turn, zero, 2 * left + side - 1, zero, side, 2 * top + side - 1], dim=2
    ).view(batch * cameras, 2, 3)
    grid = functional.affine_grid(theta, [len(theta), 1, height, width], align_corners=False)
    flat = x.flatten(0, 1).flatten(1, 2).float()  # steps and channels are cut alike
    y = functional.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    y = y.view(x.shape)
    if name == "flow":
        y = y / side[..., None, None, None, None]
        y[:, :, :, 0] *= turn[..., None, None, None]
    if x.dtype == torch.uint8:
        y = y.round_()
    return y.to(x.dtype)


def _joints(x: Tensor, crops: Tensor, mirrored: Tensor) -> Tensor:
    """Move joints (B, V, T, P, 33, 4) as the picture was; those cut off are no longer sure."""
    left, top, side = (one[..., None, None, None] for one in crops.unbind(dim=2))
    across, down = (x[..., 0] - left) / side, (x[..., 1] - top) / side
    inside = (across >= 0) & (across <= 1) & (down >= 0) & (down <= 1)
    y = torch.stack([across, down, x[..., 2] / side, x[..., 3] * inside], dim=-1)
    turned = y[..., _MIRROR, :].clone()
    turned[..., 0] = 1 - turned[..., 0]
    return torch.where(mirrored[:, None, None, None, None, None], turned, y).to(x.dtype)


def _vectors(camera: Tensor, known: Tensor, crops: Tensor) -> Tensor:
    """Tell calibrated cameras (B, V, 12) of their longer lens and its other centre."""
    left, top, side = crops.unbind(dim=2)
    lens = torch.stack(
        [
            camera[..., 9] - side.log(),
            (camera[..., 10] - left) / side,
            (camera[..., 11] - top) / side,
        ],
        dim=2,
    )
    moved = torch.cat([camera[..., :9], lens], dim=2)
    return torch.where(known[..., None], moved, camera)


def _coloured(rgb: Tensor, rng: np.random.Generator) -> Tensor:
    """Change gains, gamma and the order of colours of (B, V, T, 3, h, w), alike in all cameras."""
    found = rgb.clone()
    for row in (rng.random(len(rgb)) < COLOURED).nonzero()[0]:
        # By a table of the 256 values: a power of each pixel would cost as much as a layer.
        order = rng.permutation(3) if rng.random() < SWAPPED else np.arange(3)
        levels = np.linspace(0, 1, 256) ** rng.uniform(0.6, 1.6)
        if rng.random() < INVERTED:
            levels = 1 - levels
        shift = rng.uniform(-0.15, 0.15)
        for channel, other in enumerate(order):
            lit = (levels * rng.uniform(0.5, 1.5) + shift).clip(0, 1)
            table = torch.from_numpy((lit * 255).round().astype(np.uint8))
            found[row, :, :, channel] = table[rgb[row, :, :, other].long()]
    return found
