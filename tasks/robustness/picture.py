"""A picture of robustness: corruptions down, severities across, what each cell costs.

Pure: figures in, pixels out. On the left the difference to the undamaged result, on the right that
to the peer under the same damage.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.damage.corruptions import CORRUPTIONS, is_trained
from tasks.robustness.cells import ACCURACIES, MEASURES, PEERS

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.robustness.report import Kind, Robustness

    Pixels = npt.NDArray[np.uint8]
    Colour = tuple[int, int, int]

CELL_W, CELL_H, LABEL, MARGIN, GAP, PANEL_GAP = 58, 26, 190, 16, 2, 26
HEADER, FOOTER, FAMILY_GAP = 74, 44, 8
PAPER, INK, GREY, BLANK = (250, 250, 248), (32, 34, 38), (120, 124, 130), (232, 232, 228)
WORSE, BETTER = (214, 69, 40), (38, 120, 150)
# A colour is full at the largest difference of its map, but not below these: .1 dB is no harm.
LEAST_DB, LEAST_SHARE = 0.5, 0.05
UNITS = {"fg_psnr": "foreground PSNR, dB", "psnr_y": "luma PSNR, dB", "map": "mAP", "top1": "top-1"}
WHOSE = {"one": "one camera", "all": "all", "view": "rgb alone"}
_FONT, _LINE = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA


def robustness_picture(found: Robustness, application: str, title: str) -> Pixels:
    """Return the heat maps of one application, rgb uint8 (H, W, 3).

    Raises:
        ValueError: nothing was scored.
    """
    kinds, severities = found.kinds(application), found.severities(application)
    if not kinds:
        raise ValueError(f"no cell of {application} has a score")
    panel = len(severities) * (CELL_W + GAP) - GAP
    families = [CORRUPTIONS[name].family for name, _ in kinds]
    breaks = np.cumsum([0, *(a != b for a, b in zip(families[1:], families, strict=False))])
    tops = [HEADER + k * (CELL_H + GAP) + int(gap) * FAMILY_GAP for k, gap in enumerate(breaks)]
    height = tops[-1] + CELL_H + FOOTER
    # Room for the words above, however few severities there are.
    width = max(2 * MARGIN + LABEL + 2 * panel + PANEL_GAP, 620)
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    unit = UNITS[MEASURES[application]]
    _write(canvas, f"{title}, {application}: {unit}", MARGIN, 22, INK, 0.5)
    lefts = (MARGIN + LABEL, MARGIN + LABEL + panel + PANEL_GAP)
    peer = PEERS[application]
    least = LEAST_SHARE if application in ACCURACIES else LEAST_DB
    for left, name, differences in (
        (lefts[0], "to undamaged", _differences(found, application, "")),
        (lefts[1], f"to {peer}, both damaged", _differences(found, application, peer)),
    ):
        _write(canvas, name, left, 46, INK, 0.4)
        for k, severity in enumerate(severities):
            place = left + k * (CELL_W + GAP)
            _centred(canvas, str(severity), place, HEADER - 20, CELL_W, 14, GREY)
        full = max([least, *(abs(x) for row in differences for x in row if not math.isnan(x))])
        for row, top in zip(differences, tops, strict=True):
            for k, value in enumerate(row):
                _cell(canvas, (left + k * (CELL_W + GAP), top), value, full)
    for kind, top in zip(kinds, tops, strict=True):
        _label(canvas, found.model, kind, top)
    below = "grey names: seen in training, by this or another name.   severity 1 least, 5 most"
    _write(canvas, below, MARGIN, height - 16, GREY, 0.38)
    return canvas


def _label(canvas: Pixels, model: str, kind: Kind, top: int) -> None:
    name, scope = kind
    colour = GREY if is_trained(name, model) else INK
    _write(canvas, name.replace("_", " "), MARGIN, top + CELL_H // 2 + 5, colour, 0.42)
    whose = "some cameras" if name == "view_drop" else WHOSE[scope]
    _write(canvas, whose, MARGIN + 104, top + CELL_H // 2 + 5, GREY, 0.36)


def _differences(found: Robustness, application: str, peer: str) -> list[list[float]]:
    """Return the model minus its peer, or minus its undamaged self: a row a corruption."""
    rows = []
    for kind in found.kinds(application):
        row = []
        for severity in found.severities(application):
            other = (
                found.value(application, kind, severity, peer)
                if peer
                else found.value(application, kind, severity, column="undamaged")
            )
            row.append(found.value(application, kind, severity) - other)
        rows.append(row)
    return rows


def _cell(canvas: Pixels, at: tuple[int, int], value: float, full: float) -> None:
    left, top = at
    box = canvas[top : top + CELL_H, left : left + CELL_W]
    if math.isnan(value):
        box[:] = BLANK
        _centred(canvas, "-", left, top, CELL_W, CELL_H, GREY)
        return
    strength = abs(value) / full
    end = np.array(BETTER if value > 0 else WORSE)
    ground = np.array((240, 240, 236)) * (1 - strength) + end * strength
    box[:] = ground.round().astype(np.uint8)
    # Nothing is neither more nor less.
    shown = round(value, 2)
    text = f"{shown:+.2f}" if shown else "0.00"
    _centred(canvas, text, left, top, CELL_W, CELL_H, PAPER if strength > 0.55 else INK)


def _write(canvas: Pixels, text: str, x: int, y: int, colour: Colour, size: float) -> None:
    # OpenCV's fonts know ASCII only.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (x, y), _FONT, size, colour, 1, _LINE)


def _centred(
    canvas: Pixels, text: str, left: int, top: int, width: int, height: int, colour: Colour
) -> None:
    (wide, tall), _ = cv2.getTextSize(text, _FONT, 0.4, 1)
    at = (left + (width - wide) // 2, top + (height + tall) // 2)
    cv2.putText(canvas, text, at, _FONT, 0.4, colour, 1, _LINE)
