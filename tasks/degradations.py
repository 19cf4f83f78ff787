"""Low-resolution copies of known pictures: fixed ones to be judged on, random ones to learn from.

Reads and writes nothing. A network that learned one kernel loses 2.9-3.5 dB on another, so
training mixes them; every copy is rounded to 8 bits, as a real small video would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from models.resample import blur_downsample, downsample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import Tensor

# Widths are in pixels of the large picture per unit of scale: x2 has .8, x4 the customary 1.6.
BD_SIGMA = 0.4
JPEG_QUALITY = 60


@dataclass(frozen=True)
class RandomDegradation:
    """What a training batch may suffer; shares are probabilities per sample."""

    bi_share: float = 0.5  # clean antialiased bicubic: the degradation of the headline
    sigma: tuple[float, float] = (0.2, 0.6)  # Gaussian, per unit of scale: .4-1.2 px at x2
    noise_share: float = 0.3  # of the others
    noise_max: float = 4.0  # standard deviation in levels of 255
    jpeg_share: float = 0.4  # of the others
    jpeg_quality: tuple[int, int] = (40, 95)

    def __call__(self, hr: Tensor, scale: int, rng: np.random.Generator) -> Tensor:
        """(B, T, 3, H, W) in 0..1 -> (B, T, 3, H/scale, W/scale), 8-bit values in 0..1."""
        return torch.stack([self._one(sample, scale, rng) for sample in hr])

    def _one(self, hr: Tensor, scale: int, rng: np.random.Generator) -> Tensor:
        if rng.random() < self.bi_share:
            return _rounded(downsample(hr, scale))
        if rng.random() < 0.5:
            lr = downsample(hr, scale)
        else:
            lr = blur_downsample(hr, scale, scale * float(rng.uniform(*self.sigma)))
        if rng.random() < self.noise_share:
            level = float(rng.uniform(0, self.noise_max)) / 255
            noise = rng.standard_normal(lr.shape, dtype=np.float32) * level
            lr = lr + torch.from_numpy(noise)
        lr = _rounded(lr)
        if rng.random() < self.jpeg_share:
            quality = int(rng.integers(*self.jpeg_quality))
            lr = _to_tensor(_jpeg(_to_bytes(lr), quality))
        return lr


def bi(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Antialiased bicubic: (T, H, W, 3) -> (T, H/scale, W/scale, 3)."""
    return _to_bytes(downsample(_to_tensor(frames), scale))


def bd(frames: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """Gaussian blur of .4 x scale pixels, then subsampling; shapes as `bi`."""
    return _to_bytes(blur_downsample(_to_tensor(frames), scale, BD_SIGMA * scale))


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
    # The channel order is only a label to the codec if it is the same both ways, but luma and
    # chroma are not treated alike: swap to OpenCV's BGR and back.
    decoded = np.empty_like(frames)
    for k, frame in enumerate(frames):
        packed = cv2.imencode(".jpg", frame[..., ::-1], settings)[1]
        decoded[k] = cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1]
    return decoded


def _rounded(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).round() / 255


def _to_tensor(frames: npt.NDArray[np.uint8]) -> Tensor:
    """(T, H, W, 3) bytes -> (T, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255


def _to_bytes(x: Tensor) -> npt.NDArray[np.uint8]:
    """(T, 3, H, W) in 0..1 -> (T, H, W, 3) bytes, clipped and rounded."""
    rounded = (x.clamp(0, 1) * 255).round().to(torch.uint8)
    array: npt.NDArray[np.uint8] = rounded.permute(0, 2, 3, 1).contiguous().numpy()
    return array
