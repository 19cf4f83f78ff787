"""Low-resolution copies of known pictures: fixed ones to be judged on, random ones to learn from.

Reads and writes nothing. A network that learned one kernel loses 2.9-3.5 dB on another, so
training mixes them; every copy is rounded to 8 bits, as a real small video would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from models.metrics import quantise
from models.resample import blur_downsample, downsample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

# Gaussian widths are per unit of scale: x2 has .8 px, x4 the customary 1.6.
BD_SIGMA = 0.4
JPEG_QUALITY = 60
# What training draws from, wider than what is judged.
RANDOM_SIGMA = (0.2, 0.6)
RANDOM_BLUR_SHARE = 0.5  # the others are shrunk by the clean cubic and only then damaged
RANDOM_NOISE_SHARE, RANDOM_NOISE_LEVELS = 0.3, 4.0
RANDOM_JPEG_SHARE, RANDOM_JPEG_QUALITY = 0.4, (40, 95)


def degrade_randomly(hr: Tensor, scale: int, bi_share: float, rng: np.random.Generator) -> Tensor:
    """(B, T, 3, H, W) in 0..1 -> (B, T, 3, H/scale, W/scale), 8-bit values in 0..1.

    A share of the samples gets the headline's antialiased bicubic; each of the others one random
    mixture of blur, noise and JPEG, equal over its frames.
    """
    return torch.stack(
        [
            quantise(downsample(sample, scale))
            if rng.random() < bi_share
            else _damaged(sample, scale, rng)
            for sample in hr
        ]
    )


def _damaged(hr: Tensor, scale: int, rng: np.random.Generator) -> Tensor:
    if rng.random() < RANDOM_BLUR_SHARE:
        lr = blur_downsample(hr, scale, scale * float(rng.uniform(*RANDOM_SIGMA)))
    else:
        lr = downsample(hr, scale)
    if rng.random() < RANDOM_NOISE_SHARE:
        level = float(rng.uniform(0, RANDOM_NOISE_LEVELS)) / 255
        lr = lr + torch.from_numpy(rng.standard_normal(lr.shape, dtype=np.float32) * level)
    if rng.random() < RANDOM_JPEG_SHARE:
        quality = int(rng.integers(*RANDOM_JPEG_QUALITY, endpoint=True))
        return to_tensor(_jpeg(to_bytes(lr), quality))
    return quantise(lr)


def bi(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Antialiased bicubic: (T, H, W, 3) -> (T, H/scale, W/scale, 3)."""
    return to_bytes(downsample(to_tensor(frames), scale))


def bd(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Gaussian blur of .4 x scale pixels, then subsampling; shapes as `bi`."""
    return to_bytes(blur_downsample(to_tensor(frames), scale, BD_SIGMA * scale))


def jpeg(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """`bi`, then JPEG at quality 60, frame by frame: the intra part of what a video codec does."""
    return _jpeg(bi(frames, scale), JPEG_QUALITY)


# What an evaluation reports apart; "bi" is the headline.
DEGRADATIONS: dict[str, Callable[[npt.NDArray[np.uint8], int], npt.NDArray[np.uint8]]] = {
    "bi": bi,
    "bd": bd,
    "jpeg": jpeg,
}


def _jpeg(frames: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    # OpenCV's order is BGR; it matters, since the codec keeps luma finer than chroma.
    decoded = np.empty_like(frames)
    for k, frame in enumerate(frames):
        packed = cv2.imencode(".jpg", frame[..., ::-1], settings)[1]
        decoded[k] = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]
    return decoded


def to_tensor(frames: npt.NDArray[np.uint8]) -> Tensor:
    """(T, H, W, 3) bytes -> (T, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def to_bytes(x: Tensor) -> npt.NDArray[np.uint8]:
    """(T, 3, H, W) in about 0..1 -> (T, H, W, 3) bytes, clipped and rounded."""
    rounded = (quantise(x) * 255).round().to(torch.uint8)
    array: npt.NDArray[np.uint8] = rounded.permute(0, 2, 3, 1).contiguous().numpy()
    return array
