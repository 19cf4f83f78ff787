"""What every model must be compared with, by name. A result without these rows is refused.

Tensors in, tensors out; nothing is learned, read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.resample import upsample

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def bicubic(lr: Tensor, scale: int) -> Tensor:
    """(..., 3, h, w) in 0..1 -> (..., 3, scale*h, scale*w), cubic of Keys, a = -0.5."""
    return upsample(lr, scale, "bicubic")


def lanczos(lr: Tensor, scale: int) -> Tensor:
    """(..., 3, h, w) in 0..1 -> (..., 3, scale*h, scale*w), Lanczos of three lobes."""
    return upsample(lr, scale, "lanczos")


# Super-resolution: both enlarge exactly the small frames that the model is given.
SUPER_RESOLUTION: dict[str, Callable[[Tensor, int], Tensor]] = {
    "bicubic": bicubic,
    "lanczos": lanczos,
}
