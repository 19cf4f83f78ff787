"""The encoder of a manifold: a small network a view, from pooled numbers to fused coordinates.

Tensors in, tensors out. It is trained to say where a moment lies from any view of any camera, so
a window is the mean of what its cameras and views say: a set, of which any may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.pooled_views import BLOCKS, pooled
from models.window_encoder import EMBEDDING, Coordinates, unit_embedding

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class ManifoldConfig:
    """Sizes. A view has `sizes` numbers a window of `steps`, of which `components` are kept.

    `lift` is a coordinate that all windows share: the larger, the nearer is the cosine of two
    embeddings to their distance on the manifold. `method` says what the coordinates were read by.
    """

    views: tuple[str, ...]
    sizes: tuple[int, ...]
    components: tuple[int, ...]
    steps: int
    dims: int = 32
    hidden: int = 256
    lift: float = 0.0
    method: str = "isomap"
    embedding: int = EMBEDDING

    def __post_init__(self) -> None:
        """Refuse sizes that make no network.

        Raises:
            ValueError: naming the field.
        """
        for name in ("views", "sizes", "components"):
            # JSON has lists only.
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.views) == len(self.sizes) == len(self.components) > 0:
            raise ValueError(f"views {self.views}, sizes {self.sizes}, {self.components} of them")
        if set(self.views) - set(BLOCKS):
            raise ValueError(f"views must be of {tuple(BLOCKS)}, got {self.views}")
        for name in ("steps", "dims", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.dims + 1 > self.embedding:
            raise ValueError(f"{self.dims} dims and the lift do not fit {self.embedding}")


class ViewEncoder(nn.Module):
    """(n, size) -> (n, dims): fixed components, then a linear map and what is not linear."""

    mean: Tensor
    axes: Tensor

    def __init__(self, size: int, components: int, hidden: int, dims: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("axes", torch.zeros(components, size))
        self.linear = nn.Linear(components, dims)
        self.bend = nn.Sequential(
            nn.Linear(components, hidden),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, dims),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Say where rows lie."""
        found: Tensor = self.kept(self.components(rows))
        return found

    def components(self, rows: Tensor) -> Tensor:
        """(n, size) -> (n, components), of variance 1 on average."""
        return (rows - self.mean) @ self.axes.T

    def kept(self, components: Tensor) -> Tensor:
        """(n, components) -> (n, dims)."""
        found: Tensor = self.linear(components) + self.bend(components)
        return found


class ManifoldEncoder(nn.Module):
    """See the module; a `models.window_encoder.WindowEncoder`."""

    def __init__(self, config: ManifoldConfig) -> None:
        super().__init__()
        self.config = c = config
        self.views = nn.ModuleDict(
            {
                name: ViewEncoder(size, components, c.hidden, c.dims)
                for name, size, components in zip(c.views, c.sizes, c.components, strict=True)
            }
        )

    def encode(self, windows: Mapping[str, Tensor], cameras: Tensor | None = None) -> Coordinates:
        """Encode B windows; see `WindowEncoder`. Other numbers of steps are stretched.

        Raises:
            ValueError: no view of a camera is in `windows`.
        """
        names = [name for name in self.config.views if name in windows]
        if not names:
            raise ValueError(f"a window needs one of {self.config.views}, got {list(windows)}")
        masks = [windows[f"mask_{name}"] for name in names]
        if cameras is not None:
            masks = [mask & cameras[..., None] for mask in masks]
        total = masks[0].new_zeros(len(masks[0]), self.config.dims + 1, dtype=torch.float32)
        for name, mask in zip(names, masks, strict=True):
            x, _ = pooled({name: windows[name], f"mask_{name}": mask}, name)
            there = mask.any(dim=2)[..., None]
            placed = self.views[name](self._steps(x).flatten(2)).float()
            total[:, :-1] += torch.where(there, placed, 0.0).sum(dim=1)
            # The lift is summed as the coordinates are: their mean is lifted once.
            total[:, -1] += self.config.lift * there.sum(dim=(1, 2))
        return Coordinates(
            unit_embedding(total, self.config.embedding),
            torch.stack(masks).any(dim=0).any(dim=1),
        )

    def _steps(self, x: Tensor) -> Tensor:
        """(B, V, T, D) of any T -> of the config's, each the nearest in the window."""
        steps = x.shape[2]
        if steps == self.config.steps:
            return x
        at = (torch.arange(self.config.steps, device=x.device) + 0.5) * steps / self.config.steps
        return x[:, :, at.long()]

    def serve(self, rgb: Tensor) -> Tensor:
        """(B, V, T, 3, h, w) in 0..255 -> embeddings (B, embedding), zeros if it sees no pictures.

        What the registry's model service answers: of pictures alone, every frame there.
        """
        there = rgb.new_ones(rgb.shape[:3], dtype=torch.bool)
        if "rgb" not in self.config.views:
            return rgb.new_zeros(len(rgb), self.config.embedding)
        return self.encode({"rgb": rgb, "mask_rgb": there}).embedding
