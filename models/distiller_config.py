"""Sizes of the distiller, and those of its presets. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    T = TypeVar("T")

# How cameras become one: what each is, models/fusions.py says.
Fusion = Literal["latents", "tokens", "mean", "sum", "concat"]
# What a window may have: views of a camera's frames, and of the session.
FRAMES = ("rgb", "silhouette", "flow", "depth", "appearance", "skeleton")
VIEWS = (*FRAMES, "audio", "text")


@dataclass(frozen=True)
class DistillerConfig:
    """Sizes of the networks; the defaults are preset laptop, built to MODELS' budget."""

    side: int = 112  # px of a target picture, and of what the extractor sees
    channels: tuple[int, int, int, int] = (32, 64, 96, 160)  # at strides 2, 4, 8, 16
    blocks: int = 1  # residual blocks a level
    pyramid: int = 64  # channels of P2, P3 and the fused map
    width: int = 192  # of tokens and latents
    heads: int = 6
    latents: int = 16
    layers: int = 2  # blocks of the combiner
    semantic: int = 16  # whole numbers a latent
    key: int = 4  # whole numbers a cell of the window's map (side / 8)
    step: int = 2  # whole numbers a cell of a step's map (side / 16)
    embedding: int = 128
    limit: int = 31  # whole numbers are within +-limit
    decoder: int = 96  # channels of the target decoder at the map's grid
    # What the ablation ladder takes away; a config from before it has none of these.
    fusion: Fusion = "latents"
    recurrent: bool = True  # else each step knows itself only
    quantised: bool = True  # else symbols are real numbers, and nothing is coded
    views: tuple[str, ...] = VIEWS  # others are left out of a window, whoever put them in

    def __post_init__(self) -> None:
        """Refuse sizes that make no network.

        Raises:
            ValueError: naming the field.
        """
        # JSON has lists only.
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "views", tuple(self.views))
        self._check_choices()
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "views" or isinstance(value, str | bool):
                continue
            least = min(value) if isinstance(value, tuple) else value
            if least < 1:
                raise ValueError(f"{field.name} must be positive, got {value}")
        if len(self.channels) != 4 or any(c % 8 for c in self.channels):
            raise ValueError(f"channels must be four multiples of 8, got {self.channels}")
        if self.side < 32 or self.side % 16:
            raise ValueError(f"side must be a multiple of 16 from 32 on, got {self.side}")
        if self.key < 3:
            raise ValueError(f"key must be at least 3, the picture's colours, got {self.key}")
        if self.pyramid % 8:
            raise ValueError(f"pyramid must be a multiple of 8, got {self.pyramid}")
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width must be a multiple of 4 and heads, got {self.width}")
        # Two thirds and a third of it are widths of group norms too.
        if self.decoder % 48:
            raise ValueError(f"decoder must be a multiple of 48, got {self.decoder}")

    def _check_choices(self) -> None:
        if set(self.views) - set(VIEWS) or not set(self.views) & set(FRAMES):
            raise ValueError(f"views must be of {VIEWS}, a frame's among them, got {self.views}")
        if self.fusion not in get_args(Fusion):
            raise ValueError(f"fusion must be one of {get_args(Fusion)}, got {self.fusion!r}")

    @property
    def cells(self) -> int:
        """Side of the window's map; a step's has half of it."""
        return self.side // 8

    def shown(self, windows: Mapping[str, T]) -> dict[str, T]:
        """Return windows without the views, and their masks, that the network is not to see."""
        hidden = set(VIEWS) - set(self.views)
        return {k: x for k, x in windows.items() if k.removeprefix("mask_") not in hidden}


PRESETS: dict[str, DistillerConfig] = {
    "ci": DistillerConfig(
        side=64, channels=(16, 32, 48, 80), pyramid=32, width=96, layers=1, decoder=48
    ),
    "laptop": DistillerConfig(),
    "gpu": DistillerConfig(
        side=224,
        channels=(64, 128, 256, 512),
        blocks=2,
        pyramid=128,
        width=384,
        heads=6,
        layers=3,
        decoder=192,
    ),
}
