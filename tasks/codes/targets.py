"""The pictures that stored codes of a clip are refined to: its thumbnails, window by window.

Rows of `codes` and windows in, a `CodeEnergy`'s target out. Reads and writes nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from models.code_energy import Target, joined
from models.metrics import quantise
from models.resample import to_side
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import as_torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from models.codec import Symbols
    from models.distiller import Distiller

    Window = Mapping[str, npt.NDArray[Any]]

# The one tensor that targets are made of; it is of the view thumbnail.
PICTURES = ("rgb",)


def picture_spec(steps: int) -> WindowSpec:
    """Return windows end to end, of pictures alone, of every camera that a network takes."""
    return WindowSpec(tensors=PICTURES, steps=steps, stride=steps)


def target_of(windows: Sequence[Window], side: int) -> Target:
    """Return what the windows of one clip show, each with tensors (V, T, ...) of equal cameras."""
    tensors = [as_torch({name: x[None] for name, x in window.items()}) for window in windows]
    batch = {name: torch.cat([one[name] for one in tensors]) for name in tensors[0]}
    rgb, usable = batch["rgb"], batch["mask_rgb"]
    resized = quantise(to_side(rgb.flatten(0, 2), side)) * 255
    truth = resized.round().to(torch.uint8)
    return Target(
        truth=truth.view(*usable.shape, 3, side, side),
        usable=usable,
        camera=batch["camera"],
        known=batch["camera_known"],
        slot=batch["slot"],
        # All cameras of a window are on the session's grid.
        t_ns=batch["t_ns"][:, 0],
    )


def symbols_of(net: Distiller, streams: Sequence[bytes]) -> Symbols:
    """Return the codes of a clip's windows side by side, each from its own stream.

    Raises:
        ValueError: a stream was damaged, or is another model's.
    """
    return joined([net.codec.from_bytes(one) for one in streams])
