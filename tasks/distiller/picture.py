"""A picture to judge a distiller by: what it makes of one instant of each session.

Reads windows in memory and a model; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.metrics import luma, psnr
from models.precision import cpu_precision
from tasks.judging.picture_scores import CodedWindow, Truth, as_tensor, distinct_views
from tasks.judging.window_baselines import nearest_camera
from tasks.windows.pictures import WindowPictures, backgrounds, judged_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.distiller import Distiller
    from tasks.judging.picture_scores import Backgrounds
    from tasks.windows.pictures import Bytes
    from tasks.windows.sets import Window

COLUMNS = ("truth", "from all cameras", "camera left out", "nearest camera", "static median")
OURS = COLUMNS[1:3]
CELL, GAP, HEADER, CAPTION, NAME = 168, 10, 30, 20, 20  # px
MAX_ROWS = 8
PAPER, INK, GREY, ACCENT, BLANK = (
    (250, 250, 248),
    (32, 34, 38),
    (120, 124, 130),
    (214, 69, 40),
    (236, 236, 232),
)
_FONT, _LINE = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
_CHARACTER_PX = 7


def distiller_picture(model: Distiller, windows: Sequence[Window]) -> Bytes:
    """One row for each session (the first eight, those of several cameras before others).

    Shown is the camera and window of the session in which most moves, at the judged instant; no
    method's result is looked at. Figures are PSNR on luma. rgb uint8 (H, W, 3).

    Raises:
        ValueError: no window has a camera with two pictures.
    """
    model.eval()
    shown = [WindowPictures.of(window, model.config.side) for window in windows]
    still, views = backgrounds(shown), distinct_views(windows, shown)
    chosen: dict[str, tuple[float, int, int]] = {}
    for k, window in enumerate(shown):
        for camera in views[k]:
            if len(judged_steps(window.usable[camera])):
                moves = _moves(window, camera, still)
                best = chosen.get(window.session_id, (-1.0, 0, 0))
                chosen[window.session_id] = max(best, (moves, k, camera))
    if not chosen:
        raise ValueError("no window has a camera with two pictures")
    picked = sorted(chosen.values(), key=lambda one: len(views[one[1]]) < 2)[:MAX_ROWS]
    width = GAP + len(COLUMNS) * (CELL + GAP)
    header = np.full((HEADER, width, 3), PAPER, np.uint8)
    for k, name in enumerate(COLUMNS):
        _write(header, name, GAP + k * (CELL + GAP), HEADER - 9, ACCENT if name in OURS else INK)
    rows = [
        _row(model, windows[k], shown[k], camera, views[k], still, width) for _, k, camera in picked
    ]
    return np.concatenate([header, *rows])


def _moves(window: WindowPictures, camera: int, still: Backgrounds) -> float:
    at = judged_steps(window.usable[camera])
    background = still[window.session_id, window.cameras[camera]]
    return float(Truth.of(window.frames[camera][at], background).moved.float().mean())


def _row(
    model: Distiller,
    window: Window,
    shown: WindowPictures,
    camera: int,
    view: Sequence[int],
    still: Backgrounds,
    width: int,
) -> Bytes:
    at = judged_steps(shown.usable[camera])[:1]
    coded = CodedWindow(model, window, cpu_precision())
    place = shown.places[camera]
    others = [k for k in view if k != camera]
    truth = as_tensor(shown.frames[camera][at])
    cells = {
        "truth": truth,
        "from all cameras": coded.pictures(coded.code(), place, at),
        "static median": as_tensor(still[window.session_id, shown.cameras[camera]][None]),
    }
    if others:
        apart = CodedWindow(model, window, cpu_precision(), apart=True)
        code = apart.code([shown.places[k] for k in others])
        cells["camera left out"] = apart.pictures(code, place, at)
        nearest = shown.frames[nearest_camera(shown, camera, others, {})][at]
        cells["nearest camera"] = as_tensor(nearest)
    row = np.full((NAME + CELL + CAPTION, width, 3), PAPER, np.uint8)
    seen = f"{window.session_name}   {shown.cameras[camera]}, one of {len(view)}"
    _write(row, seen, GAP, 14, GREY)
    for k, name in enumerate(COLUMNS):
        left = GAP + k * (CELL + GAP)
        place_of = row[NAME : NAME + CELL, left : left + CELL]
        place_of[:] = BLANK
        if name not in cells:
            _write(place_of, "no other camera", 8, 20, GREY)
            continue
        pixels = (cells[name][0] * 255).round().byte().permute(1, 2, 0).numpy()
        place_of[:] = cv2.resize(pixels, (CELL, CELL), interpolation=cv2.INTER_CUBIC)
        if name != "truth":
            value = float(psnr(luma(cells[name]), luma(truth))[0])
            below = NAME + CELL + 13
            _write(row, f"{value:.1f} dB", left, below, ACCENT if name in OURS else GREY)
    return row


def _write(canvas: Bytes, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    # OpenCV's fonts know ASCII only.
    plain = text.encode("ascii", "replace").decode()
    room = (canvas.shape[1] - x) // _CHARACTER_PX
    cv2.putText(canvas, plain[:room], (x, y), _FONT, 0.4, colour, 1, _LINE)
