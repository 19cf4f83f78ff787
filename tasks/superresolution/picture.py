"""One picture a person can judge a super-resolution model by: small, bicubic, ours, truth.

Reads clips in memory and a model; returns pixels, writes nothing. The shown piece is chosen by
the truth alone (most edges and motion), so it favours no method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.metrics import luma, psnr, quantise
from models.precision import cpu_precision
from tasks.judging.baselines import bicubic
from tasks.superresolution.degradations import bi, to_bytes, to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from models.superresolution import SuperResolution
    from tasks.superresolution.evaluate import HeldOut

    Pixels = npt.NDArray[np.uint8]

PIECE = 96  # px of the truth
ZOOM = 3  # every pixel shown as 3 x 3, nothing smoothed
GAP = 12
HEADER, FOOTER = 30, 26
PAPER, INK, GREY, ACCENT = (250, 250, 248), (32, 34, 38), (120, 124, 130), (214, 69, 40)
# Frames before the shown one that let the recurrence settle.
LEAD_IN = 12
MAX_ROWS = 4


def sample_picture(model: SuperResolution, clips: Sequence[HeldOut]) -> Pixels:
    """One row for each session (the first four), of its first clip: rgb uint8 (H, W, 3).

    Figures under the pieces are Y-PSNR of the piece itself, degradation "bi".

    Raises:
        ValueError: if there is no clip, or one is smaller than 96 px.
    """
    first = {clip.session_id: clip for clip in reversed(clips)}
    rows = [_row(model, first[s]) for s in dict.fromkeys(clip.session_id for clip in clips)]
    if not rows:
        raise ValueError("no clip to show")
    rows = rows[:MAX_ROWS]
    width = max(row.shape[1] for row in rows)
    padded = [_pad(row, width) for row in rows]
    return np.concatenate([*padded, np.full((GAP, width, 3), PAPER, np.uint8)])


def _row(model: SuperResolution, clip: HeldOut) -> Pixels:
    scale = model.config.scale
    height, width = (side // scale * scale for side in clip.frames.shape[1:3])
    if min(height, width) < PIECE:
        raise ValueError(f"clip {clip.clip_id} is {height} x {width}, smaller than {PIECE} px")
    shown = len(clip.frames) // 2
    # One frame more than the shown one: the model looks ahead.
    frames = clip.frames[max(0, shown - LEAD_IN) : shown + 2, :height, :width]
    at = min(LEAD_IN, shown)
    small = to_tensor(bi(frames, scale))
    ours = list(model.stream(small, precision=cpu_precision()))[at]
    truth = to_tensor(frames)[at]
    enlarged = bicubic(small[at], scale)
    y, x = most_telling(frames[max(0, at - 1) : at + 1], scale)
    panels = [_overview(frames[at], y, x, clip.session_name)]
    nearest = small[at].repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    for name, picture in (
        (f"1/{scale} size, as given", nearest),
        ("bicubic", enlarged),
        ("ours", ours),
        ("truth", truth),
    ):
        piece = picture[:, y : y + PIECE, x : x + PIECE]
        compared = truth[:, y : y + PIECE, x : x + PIECE] if name in ("bicubic", "ours") else None
        panels.append(_panel(piece, name, compared))
    gap = np.full((panels[0].shape[0], GAP, 3), PAPER, np.uint8)
    return np.concatenate([part for panel in panels for part in (gap, panel)] + [gap], axis=1)


def most_telling(frames: Pixels, scale: int) -> tuple[int, int]:
    """Top left corner of the piece with most edges and motion in the last of (T, H, W, 3).

    A multiple of `scale`, so that small pixels stay whole. No method's result is looked at.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    energy = np.abs(cv2.Laplacian(grey[-1], cv2.CV_32F)) + np.abs(grey[-1] - grey[0])
    # The window's mean stands at its centre (index 48 of 96); only windows inside count.
    mean = cv2.blur(energy, (PIECE, PIECE))
    half = PIECE // 2
    inside = mean[half : mean.shape[0] - half + 1, half : mean.shape[1] - half + 1]
    inside = inside[::scale, ::scale]
    y, x = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(y) * scale, int(x) * scale


def _panel(piece: Tensor, name: str, truth: Tensor | None) -> Pixels:
    pixels = to_bytes(piece[None])[0].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    below = ""
    if truth is not None:
        below = f"{float(psnr(luma(quantise(piece)), luma(quantise(truth)))):.2f} dB"
    return _framed(pixels, name, below, ACCENT if name == "ours" else INK)


def _overview(frame: Pixels, y: int, x: int, name: str) -> Pixels:
    side = PIECE * ZOOM
    shrink = side / frame.shape[0]
    # As high as the pieces; of a very wide frame the middle around the piece is shown.
    small = cv2.resize(frame, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)[:side]
    top, left, size = (round(v * shrink) for v in (y, x, PIECE))
    cv2.rectangle(small, (left, top), (left + size, top + size), ACCENT, 2, cv2.LINE_AA)
    wide = side * 16 // 9
    start = int(np.clip(left + size // 2 - wide // 2, 0, max(0, small.shape[1] - wide)))
    small = small[:, start : start + wide]
    canvas = np.full((side, wide, 3), PAPER, np.uint8)
    canvas[: small.shape[0], (wide - small.shape[1]) // 2 :][:, : small.shape[1]] = small
    return _framed(canvas, name, "a session held out of training", INK)


def _framed(pixels: Pixels, above: str, below: str, ink: tuple[int, int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    canvas = np.full((HEADER + height + FOOTER, width, 3), PAPER, np.uint8)
    canvas[HEADER : HEADER + height] = pixels
    # OpenCV's fonts know ASCII only.
    above = above.encode("ascii", "replace").decode()
    font, line = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
    cv2.putText(canvas, above[: width // 9], (0, HEADER - 10), font, 0.5, ink, 1, line)
    colour = ink if ink == ACCENT else GREY
    cv2.putText(canvas, below, (0, HEADER + height + 18), font, 0.45, colour, 1, line)
    return canvas


def _pad(row: Pixels, width: int) -> Pixels:
    canvas = np.full((row.shape[0], width, 3), PAPER, np.uint8)
    canvas[:, : row.shape[1]] = row
    return canvas
