"""The networks of synthesis applied to pictures: bytes in, bytes out, guarded.

Holds a model; reads and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from models.precision import autocast, cpu_precision
from models.synthesis import FOLD, guarded
from tasks.synthesis.fusing import with_plain

if TYPE_CHECKING:
    from models.precision import Precision
    from models.synthesis import Synthesis
    from tasks.synthesis.alignment import Pixels
    from tasks.synthesis.rate_conversion import Sources

# The result must be estimated to be so much better than the best source, else that one is kept.
MARGIN_DB = 0.5


class Picture(NamedTuple):
    """A fused picture (H, W, 3), the same unguarded, and whether the guard let it through."""

    guarded: Pixels
    unguarded: Pixels
    fused: bool


class Fuser:
    """Fuses sources of one moment by a model."""

    def __init__(self, model: Synthesis, precision: Precision | None = None) -> None:
        self._model = model.eval()
        self.precision = precision or cpu_precision()

    def fuse(self, sources: Sources, task: str) -> Picture:
        """Fuse (N, H, W, 3) with trust (N, H, W), any size; sides are filled up to even ones."""
        if task == "fuse":
            sources = with_plain(sources)
        height, width = sources.trust.shape[1:]
        x = torch.from_numpy(np.ascontiguousarray(sources.pictures)).permute(0, 3, 1, 2).float()
        trust = torch.from_numpy(sources.trust)[:, None]
        edge = (0, width % FOLD, 0, height % FOLD)
        x, trust = (functional.pad(one, edge, mode="replicate")[None] for one in (x / 255, trust))
        with torch.inference_mode(), autocast(self.precision):
            found = self._model(x, trust, task)
        picture, better = guarded(found, x, MARGIN_DB)
        return Picture(
            _bytes(picture[0, :, :height, :width]),
            _bytes(found.picture[0, :, :height, :width]),
            bool(better[0]),
        )


def _bytes(picture: torch.Tensor) -> Pixels:
    whole = (picture.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return np.asarray(whole.contiguous().numpy())
