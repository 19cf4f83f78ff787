"""Windows of random pictures for the tests of retrieval: each camera shows its own."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from distiller_windows import STEP_NS, noise_windows

from tasks.windows.sets import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

STEPS = 2


def picture(seed: int) -> npt.NDArray[np.uint8]:
    """Return a picture (3, 112, 112) of 8 x 8 random patches, another for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 8, 8))
    return coarse.repeat(14, axis=1).repeat(14, axis=2).astype(np.uint8)


def window(
    session: str,
    number: int,
    pictures: Sequence[npt.NDArray[np.uint8]],
    *,
    start: int | None = None,
) -> Window:
    """Return the window of a session of which each camera shows one picture at all its steps.

    It begins at step `start` of the session clock, by default after the one before it. Other views
    are noise; calibration is unknown.
    """
    cameras = len(pictures)
    tensors = noise_windows(1, cameras, STEPS, seed=zlib.crc32(f"{session}{number}".encode()))
    shown = torch.from_numpy(np.stack(pictures))[None, :, None]
    tensors["rgb"] = shown.expand(1, cameras, STEPS, 3, 112, 112).clone()
    tensors["camera_known"][:] = False
    tensors["slot"] = torch.arange(cameras)[None]
    tensors["t_ns"] += (number * STEPS if start is None else start) * STEP_NS
    names = tuple(f"cam{k}" for k in range(cameras))
    return Window(session, session.upper(), f"{session}-{number}", 0, names, tensors)


def pictures_only(one: Window) -> Window:
    """Return a window without any view but its pictures."""
    kept = ("rgb", "mask_rgb", "camera", "camera_known", "t_ns", "slot")
    tensors = {name: one.tensors[name] for name in kept}
    return Window(one.session_id, one.session_name, one.clip_id, one.first, one.cameras, tensors)
