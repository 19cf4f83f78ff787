"""Windows with given pictures, for the tests of what a distiller's pictures are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import torch

from models.distiller_config import DistillerConfig
from tasks.windows.sets import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

Bytes = npt.NDArray[np.uint8]

STEP_NS = 80_000_000
SIDE = 64
TINY = DistillerConfig(
    side=SIDE,
    channels=(8, 8, 16, 16),
    pyramid=8,
    width=24,
    heads=2,
    latents=2,
    layers=1,
    semantic=4,
    embedding=16,
    decoder=48,
)


def texture(seed: int, side: int = SIDE, blur: float = 2.0) -> Bytes:
    """Return a smooth random picture with full contrast, (3, side, side)."""
    noise = np.random.default_rng(seed).random((side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX), np.uint8).transpose(
        2, 0, 1
    )


def moving(background: Bytes, steps: int, seed: int = 0) -> Bytes:
    """Return (steps, 3, side, side): a white square of 8 px that is elsewhere at each step."""
    rng = np.random.default_rng(seed)
    frames = np.repeat(background[None], steps, axis=0)
    for frame in frames:
        top, left = rng.integers(0, frame.shape[-1] - 8, 2)
        frame[:, top : top + 8, left : left + 8] = 255
    return frames


def window(
    frames: Bytes | Sequence[Bytes],
    session: str = "a",
    first: int = 0,
    *,
    cameras: Sequence[str] | None = None,
    vectors: npt.NDArray[np.float64] | None = None,
    aspects: Sequence[float] = (),
    usable: npt.NDArray[np.bool_] | None = None,
) -> Window:
    """Return a window that shows (V, T, 3, h, w); calibrated where there are vectors (V, 12)."""
    rgb = torch.from_numpy(np.stack(list(frames))[None])
    count, steps = rgb.shape[1:3]
    there = np.ones((count, steps), bool) if usable is None else usable
    names = tuple(cameras or (f"cam{k}" for k in range(count)))
    return Window(
        session_id=session,
        session_name=f"the session {session}",
        clip_id=f"clip-{session}",
        first=first,
        cameras=names,
        tensors={
            "rgb": rgb,
            "mask_rgb": torch.from_numpy(there[None]),
            "camera": torch.zeros(1, count, 12)
            if vectors is None
            else torch.from_numpy(vectors[None]).float(),
            "camera_known": torch.full((1, count), vectors is not None),
            "t_ns": ((first + torch.arange(steps)) * STEP_NS).expand(1, count, steps).clone(),
            "slot": torch.arange(count)[None],
        },
        aspects=tuple(aspects),
    )
