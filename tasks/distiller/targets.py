"""Which pictures the distiller is to make of a batch in training, and from which cameras.

Tensors in, tensors out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from models.distiller import Query
from models.distiller_losses import motion_weight
from models.resample import to_side

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor

    Windows = Mapping[str, Tensor]


class Targets(NamedTuple):
    """One camera and F instants of each of B windows."""

    query: Query
    truth: Tensor  # (B, F, 3, side, side), 0..1
    weight: Tensor  # (B, F, 1, side, side), of motion
    steps: Tensor  # (B, F) int64: which steps those instants are
    camera: Tensor  # (B,) int64: which camera
    crossed: Tensor  # (B,) bool: the camera is none of the inputs


def has_pictures(windows: Windows) -> Tensor:
    """Which windows have a picture to make: (B,) bool."""
    return windows["mask_rgb"].flatten(1).any(dim=1)


def draw_targets(
    windows: Windows, count: int, side: int, crossed_share: float, rng: np.random.Generator
) -> Targets:
    """Draw a camera of each window and `count` of its steps that have a picture.

    Every window must have a picture. A window with fewer such steps has some of them twice. Of
    windows of several cameras `crossed_share` are to be made from the others alone.
    """
    mask = windows["mask_rgb"]
    seen = seen_cameras(windows)  # (B, V)
    cameras, steps, crossed = [], [], []
    for row in range(len(mask)):
        some = mask[row].any(dim=1).nonzero()[:, 0].tolist()
        camera = some[rng.integers(len(some))]
        there = mask[row, camera].nonzero()[:, 0].numpy()
        drawn = rng.choice(there, count, replace=len(there) < count)
        others = seen[row].clone()
        others[camera] = False
        cameras.append(camera)
        steps.append(torch.from_numpy(drawn).sort().values)
        crossed.append(bool(others.any()) and rng.random() < crossed_share)
    camera, step = torch.tensor(cameras), torch.stack(steps)
    rows = torch.arange(len(mask))
    whole = to_side(windows["rgb"][rows, camera], side)  # (B, T, 3, side, side)
    truth = whole[rows[:, None], step]
    weight = motion_weight(truth, whole, mask[rows, camera])
    query = Query(
        windows["camera"][rows, camera],
        windows["camera_known"][rows, camera],
        windows["t_ns"][rows, camera].gather(1, step),
        windows["slot"][rows, camera],
    )
    return Targets(query, truth, weight, step, camera, torch.tensor(crossed))


def draw_halves(windows: Windows, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Divide the cameras of each window in two: masks (B, V); of one camera the second is empty."""
    seen = seen_cameras(windows)
    first = torch.zeros_like(seen)
    for row in range(len(seen)):
        some = rng.permutation(seen[row].nonzero()[:, 0].numpy())
        size = int(rng.integers(1, max(2, len(some))))
        first[row, torch.from_numpy(some[:size])] = True
    return first, seen & ~first


def withheld(windows: Windows, targets: Targets) -> dict[str, Tensor]:
    """Return the windows as inputs: crossed targets' cameras are absent.

    So is depth that may be of pairs of cameras: it would know what the absent one saw.
    """
    rows = targets.crossed.nonzero()[:, 0]
    found = dict(windows)
    if "mask_depth" in windows:
        stereo = targets.crossed & (windows["camera_known"].sum(dim=1) > 1)
        windows = {**windows, "mask_depth": windows["mask_depth"] & ~stereo[:, None, None]}
    for name in camera_masks(windows):
        mask = windows[name].clone()
        mask[rows, targets.camera[rows]] = False
        found[name] = mask
    return found


def camera_masks(windows: Windows) -> list[str]:
    """Return the names of the masks (B, V, T) of what cameras say; sound and text are shared."""
    return [name for name, x in windows.items() if name.startswith("mask_") and x.ndim == 3]


def seen_cameras(windows: Windows) -> Tensor:
    """Which cameras of each window say anything: (B, V) bool."""
    return torch.stack([windows[name].any(dim=2) for name in camera_masks(windows)]).any(dim=0)
