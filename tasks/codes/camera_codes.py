"""Codes of some of a window's cameras, made of what those cameras saw and of nothing else.

Reads windows; writes nothing. Each camera is seen once, however many codes are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.distiller import Distiller, Seen
from models.extractor import FRAME_VIEWS
from models.precision import autocast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt
    from torch import Tensor

    from models.precision import Precision
    from models.window_encoder import WindowEncoder
    from tasks.windows.sets import Window

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

# Codes made at once: 16 of 8 cameras of preset laptop hold 50 MB of maps.
_AT_ONCE = 16


def own_tensors(window: Window, views: Iterable[str] = FRAME_VIEWS) -> dict[str, Tensor]:
    """Return a window's tensors with those views alone that a camera has by itself.

    Sound and text are the session's: through them any camera finds its own moment without a look
    at a picture. Depth in a window of two calibrated cameras may be stereo, which is computed from
    the pictures of the others. Both are masked.
    """
    kept = set(views)
    tensors = {
        name: x
        for name, x in window.tensors.items()
        if name.removeprefix("mask_") in kept or name.removeprefix("mask_") not in FRAME_VIEWS
    }
    masked = ["mask_audio", "mask_text"]
    if int(tensors["camera_known"].sum()) > 1:
        masked.append("mask_depth")
    for name in masked:
        if name in tensors:
            tensors[name] = torch.zeros_like(tensors[name])
    return tensors


def seen_cameras(tensors: Mapping[str, Tensor], views: Iterable[str] = FRAME_VIEWS) -> Bools:
    """Tell of which cameras of a window any of these views is there at any step: (V,)."""
    looked = [name for name in views if name in FRAME_VIEWS and name in tensors]
    masks = [tensors[f"mask_{name}"][0] for name in looked]
    if not masks:
        return np.zeros(tensors["camera_known"].shape[1], bool)
    return np.asarray(torch.stack(masks).any(dim=0).any(dim=1).numpy())


@torch.inference_mode()
def camera_codes(
    model: WindowEncoder, tensors: Mapping[str, Tensor], masks: Bools, precision: Precision
) -> Floats:
    """Return the embedding of each set of cameras of one window: masks (M, V) -> (M, E).

    A set of which the model sees nothing has zeros: it is like nothing.
    """
    there = masks.astype(int) @ seen_cameras(tensors, model.config.views)
    if not there.any():
        return np.zeros((len(masks), model.config.embedding))
    with autocast(precision):
        seen = model.eval().see(tensors) if isinstance(model, Distiller) else None
        codes = [
            _combined(model, seen, tensors, torch.from_numpy(masks[at : at + _AT_ONCE]))
            for at in range(0, len(masks), _AT_ONCE)
        ]
    return np.where(there[:, None] > 0, np.concatenate(codes), 0.0)


def _combined(
    model: WindowEncoder, seen: Seen | None, tensors: Mapping[str, Tensor], masks: Tensor
) -> Floats:
    count = len(masks)
    many = {name: x.expand(count, *x.shape[1:]) for name, x in tensors.items()}
    if isinstance(model, Distiller) and seen is not None:
        each = Seen(*(x.expand(count, *x.shape[1:]) for x in seen))
        code = model.combine(each, many, masks).embedding
    else:
        code = model.encode(many, masks).embedding
    return np.asarray(code.double().numpy())
