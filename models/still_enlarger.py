"""What networks that enlarge each frame by itself have in common: video in, video out.

Tensors in, tensors out. Their detail is added to the bicubic enlargement, as that of the recurrent
network is: the papers' networks make the whole picture, which after minutes of training is below
bicubic, and a peer that weak tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.precision import autocast
from models.resample import upsample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.precision import Precision


class StillEnlarger(nn.Module):
    """Takes (B, T, 3, h, w) rgb 0..1 to (B, T, 3, sh, sw); a subclass makes the detail."""

    scale: int

    def detail(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> what bicubic lacks, (B, 3, sh, sw)."""
        raise NotImplementedError

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge every frame; (B, T, 3, h, w) in 0..1 -> (B, T, 3, sh, sw), not clipped."""
        frames = lr.flatten(0, 1)
        made = upsample(frames, self.scale) + self._detail(frames)
        return made.reshape(*lr.shape[:2], *made.shape[1:])

    @torch.no_grad()
    def stream(
        self, frames: Iterable[Tensor], *, precision: Precision = "fp32"
    ) -> Iterator[Tensor]:
        """Frames (3, h, w) in, frames (3, sh, sw) out."""
        for frame in frames:
            with autocast(precision):
                made = self(frame[None, None])[0, 0]
            yield made

    def _detail(self, frames: Tensor) -> Tensor:
        return self.detail(frames.contiguous(memory_format=torch.channels_last)).float()
