"""What is taken away from windows in training, so that missing views are normal in use.

Tensors in, tensors out. Of each window one thing goes: a camera (40 %), a view of all cameras
(30 %), half of the frames of a camera (20 %) or patches of its pictures (10 %); the last view of
the last camera never does. What goes is masked, not set to zeros. Some windows are corrupted
besides, by kinds of damage that only training sees; the others are kept for judging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from models.extractor import FRAME_VIEWS
from tasks.damage.corruptions import CORRUPTIONS, TRAINING, Footage, damage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor

    Windows = Mapping[str, Tensor]

KINDS, SHARES = ("camera", "view", "frames", "patches"), (0.4, 0.3, 0.2, 0.1)
PATCH = 16  # px
FRAMES_DROPPED, PATCHES_DROPPED = 0.5, 0.4


def dropped(windows: Windows, rng: np.random.Generator) -> dict[str, Tensor]:
    """Return windows (B, V, T, ...) of which something was taken; the given ones stay as they are.

    `rgb` is copied only if patches of it go.
    """
    names = [name for name in FRAME_VIEWS if name in windows]
    found = dict(windows) | {f"mask_{name}": windows[f"mask_{name}"].clone() for name in names}
    masks = {name: found[f"mask_{name}"] for name in names}
    copied = False
    for row in range(len(windows["camera"])):
        kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
        here = torch.stack([masks[name][row].any(dim=1) for name in names])  # (views, V)
        cameras = here.any(dim=0).nonzero()[:, 0].tolist()
        if not cameras:
            continue
        camera = cameras[rng.integers(len(cameras))]
        if kind == "camera" and len(cameras) > 1:
            for mask in masks.values():
                mask[row, camera] = False
        elif kind == "view":
            _drop_view(row, here, names, masks, rng)
        elif kind == "frames":
            steps = masks[names[0]].shape[2]
            gone = torch.from_numpy(rng.random(steps) < FRAMES_DROPPED)
            stays = int(rng.integers(steps))
            gone[stays - 1], gone[stays] = True, False
            for mask in masks.values():
                mask[row, camera] &= ~gone
        elif kind == "patches" and "rgb" in names:
            if not copied:
                found["rgb"], copied = windows["rgb"].clone(), True
            _drop_patches(found["rgb"][row, camera], rng)
    return found


def _drop_view(
    row: int,
    here: Tensor,
    names: list[str],
    masks: Mapping[str, Tensor],
    rng: np.random.Generator,
) -> None:
    """Take one view away from all cameras, unless a camera would be left with none."""
    some = here.any(dim=1).nonzero()[:, 0].tolist()
    view = some[rng.integers(len(some))]
    rest = here.clone()
    rest[view] = False
    if torch.equal(rest.any(dim=0), here.any(dim=0)):
        masks[names[view]][row] = False


def _drop_patches(pictures: Tensor, rng: np.random.Generator) -> None:
    """Replace patches of (T, 3, H, W) by their picture's mean colour, the same in all of them."""
    height, width = pictures.shape[-2:]
    cells = (-(-height // PATCH), -(-width // PATCH))
    gone = torch.from_numpy(rng.random(cells) < PATCHES_DROPPED)
    gone = gone.repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)[:height, :width]
    mean = pictures.float().mean(dim=(-2, -1), keepdim=True).to(pictures.dtype)
    pictures.copy_(torch.where(gone, mean, pictures))


def corrupted(windows: Windows, share: float, rng: np.random.Generator) -> dict[str, Tensor]:
    """Return windows of which a share has the pictures of one camera or of all damaged.

    By one of `corruptions.TRAINING` at any of its levels; the others are kept for judging.
    """
    if "rgb" not in windows or not share:
        return dict(windows)
    chosen = (rng.random(len(windows["rgb"])) < share).nonzero()[0].tolist()
    if not chosen:
        return dict(windows)
    rgb = windows["rgb"].clone()
    cameras, steps = rgb.shape[1:3]
    kinds = list(TRAINING)
    for row in chosen:
        name = kinds[rng.integers(len(kinds))]
        level = float(rng.uniform(*TRAINING[name]))
        # Drawn anew each time a window comes: another recording, as far as damage is concerned.
        drawn = f"training {rng.integers(1 << 62)}"
        whole = rng.random() < 0.5
        for camera in range(cameras) if whole else [int(rng.integers(cameras))]:
            frames = rgb[row, camera].permute(0, 2, 3, 1).numpy()
            footage = Footage(drawn, str(camera), tuple(range(steps)))
            found = damage(frames, CORRUPTIONS[name], level, footage)
            rgb[row, camera] = torch.from_numpy(found.frames).permute(0, 3, 1, 2)
    return {**windows, "rgb": rgb}
