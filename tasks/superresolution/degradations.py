"""Low-resolution copies of known pictures: fixed ones to be judged on, random ones to learn from.

Pure, but for what encodes video. A network that learned one kernel loses 2.9-3.5 dB on another, so
training mixes them; every copy is rounded to 8 bits, as a real small video would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from models.metrics import quantise
from models.resample import blur_downsample, downsample
from tasks.damage.coding import h264
from tasks.damage.footage import Footage

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

# Gaussian widths are per unit of scale: x2 has .8 px, x4 the customary 1.6.
BD_SIGMA = 0.4
CODEC_CRF = 28
# What training draws from, wider than what is judged.
RANDOM_SIGMA = (0.2, 0.6)
RANDOM_BLUR_SHARE = 0.5  # the others are shrunk by the clean cubic and only then damaged
RANDOM_NOISE_SHARE, RANDOM_NOISE_LEVELS = 0.3, 4.0
RANDOM_JPEG_SHARE, RANDOM_JPEG_QUALITY = 0.15, (40, 95)
RANDOM_CODEC_SHARE, RANDOM_CODEC_CRF = 0.35, (16.0, 36.0)


def degrade_randomly(hr: Tensor, scale: int, bi_share: float, rng: np.random.Generator) -> Tensor:
    """(B, T, 3, H, W) in 0..1 -> (B, T, 3, H/scale, W/scale), 8-bit values in 0..1.

    A share of the samples gets the headline's antialiased bicubic; each of the others one random
    mixture of blur, noise and compression, as stills or as video, alike over its frames.
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
    coding = rng.random()
    if coding < RANDOM_CODEC_SHARE:
        return to_tensor(_coded(to_bytes(lr), float(rng.uniform(*RANDOM_CODEC_CRF))))
    if coding < RANDOM_CODEC_SHARE + RANDOM_JPEG_SHARE:
        quality = int(rng.integers(*RANDOM_JPEG_QUALITY, endpoint=True))
        return to_tensor(_jpeg(to_bytes(lr), quality))
    return quantise(lr)


def bi(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Antialiased bicubic: (T, H, W, 3) -> (T, H/scale, W/scale, 3)."""
    return to_bytes(downsample(to_tensor(frames), scale))


def bd(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Gaussian blur of .4 x scale pixels, then subsampling; shapes as `bi`."""
    return to_bytes(blur_downsample(to_tensor(frames), scale, BD_SIGMA * scale))


def codec(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """`bi`, then H.264 at a constant rate factor of 28: a small video as archives hold them."""
    return _coded(bi(frames, scale), CODEC_CRF)


# What an evaluation reports apart; "bi" is the headline.
DEGRADATIONS: dict[str, Callable[[npt.NDArray[np.uint8], int], npt.NDArray[np.uint8]]] = {
    "bi": bi,
    "bd": bd,
    "codec": codec,
}


def _coded(frames: npt.NDArray[np.uint8], crf: float) -> npt.NDArray[np.uint8]:
    return h264(frames, crf, Footage("", "", tuple(range(len(frames))))).frames


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
