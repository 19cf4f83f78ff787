"""A picture of a manifold: windows as dots, the colour of their session, lines between cameras.

Reads windows and a model; returns an RGB array. What is drawn are the two widest directions of the
embeddings; held-out sessions are rings.
"""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.linear_codes import PrincipalComponents
from tasks.codes.camera_codes import camera_codes, own_tensors, seen_cameras

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from models.window_encoder import WindowEncoder
    from tasks.windows.sets import Window

SIDE, _MARGIN = 720, 24


def manifold_picture(
    model: WindowEncoder, known: Sequence[Window], heldout: Sequence[Window]
) -> npt.NDArray[np.uint8]:
    """Return (720, 720, 3): a dot a camera's window, those of one window joined by lines."""
    canvas = np.full((SIDE, SIDE, 3), 255, np.uint8)
    windows = [*known, *heldout]
    codes = []
    for window in windows:
        tensors = own_tensors(window)
        there = np.flatnonzero(seen_cameras(tensors, model.config.views))
        masks = np.eye(len(window.cameras), dtype=bool)[there]
        codes.append(camera_codes(model, tensors, masks, "fp32"))
    every = np.concatenate(codes) if codes else np.zeros((0, 1))
    if not len(every):
        return canvas
    flat = PrincipalComponents.fit(every, 2).codes(every)
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    low, span = flat.min(axis=0), np.maximum(np.ptp(flat, axis=0), 1e-9)
    places = (_MARGIN + (flat - low) / span * (SIDE - 2 * _MARGIN)).round().astype(int).tolist()
    sessions = list(dict.fromkeys(window.session_id for window in windows))
    ends = np.cumsum([0, *(len(one) for one in codes)]).tolist()
    for k, window in enumerate(windows):
        hue = sessions.index(window.session_id) / len(sessions)
        colour = tuple(int(255 * x) for x in colorsys.hsv_to_rgb(hue, 0.8, 0.8))
        own = places[ends[k] : ends[k + 1]]
        for one in own:
            cv2.line(canvas, own[0], one, (210, 210, 210), 1, cv2.LINE_AA)
        for one in own:
            cv2.circle(canvas, one, 4, colour, -1 if k < len(known) else 1, cv2.LINE_AA)
    return canvas
