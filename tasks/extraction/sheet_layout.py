"""How a contact sheet is laid out: a row a view, a block of columns a camera, steps side by side.

Pure: pictures in, one picture out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Pixels = npt.NDArray[np.uint8]

# A cell has about this area whatever its shape, so that tall and wide cameras sit side by side.
CELL_PX = 13_000
MARGIN, GAP, BLOCK_GAP, LABEL, HEADER, LINE = 14, 3, 16, 96, 56, 23
PAPER, INK, GREY, BLANK = (250, 250, 248), (32, 34, 38), (120, 124, 130), (232, 232, 228)
FONT = cv2.FONT_HERSHEY_SIMPLEX
CHARACTER_PX = 6.2  # width of a character at the size of notes


@dataclass(frozen=True, slots=True)
class Cell:
    """One view at one step: its picture (any size), or a note that says why there is none."""

    picture: Pixels | None
    note: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One camera: its name, the (width, height) of its cells, its columns (heading, cells)."""

    name: str
    size: tuple[int, int]
    columns: Sequence[tuple[str, dict[str, Cell]]]

    @property
    def width(self) -> int:
        """Pixels of all its columns."""
        return len(self.columns) * (self.size[0] + GAP) - GAP


def cell_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of cells that show a picture of `size` in its own shape."""
    shape = min(4.0, max(0.25, size[0] / max(1, size[1])))
    return round((CELL_PX * shape) ** 0.5), round((CELL_PX / shape) ** 0.5)


def sheet(title: str, views: Sequence[str], strips: Sequence[Strip]) -> Pixels:
    """Return the sheet: rgb uint8 (H, W, 3); a view that no camera has takes one line."""
    tall = max(strip.size[1] for strip in strips) + GAP
    seen = {
        name
        for strip in strips
        for _, cells in strip.columns
        for name, cell in cells.items()
        if cell.picture is not None
    }
    heights = [tall if name in seen else LINE for name in views]
    tops = [HEADER + sum(heights[:k]) for k in range(len(views))]
    width = sum(strip.width + BLOCK_GAP for strip in strips) - BLOCK_GAP + LABEL + 2 * MARGIN
    canvas = np.full((HEADER + sum(heights) + MARGIN, width, 3), PAPER, np.uint8)
    _write(canvas, title, MARGIN, 20, INK, 0.45)
    for name, top, height in zip(views, tops, heights, strict=True):
        _write(canvas, name, MARGIN, top + height // 2 + 3, INK, 0.42)
    left = MARGIN + LABEL
    for strip in strips:
        _write(canvas, strip.name, left, 38, INK, 0.42)
        for name, top in zip(views, tops, strict=True):
            if name not in seen:
                _line(canvas[top : top + LINE - GAP, left : left + strip.width], strip, name)
        w, h = strip.size
        for heading, cells in strip.columns:
            _write(canvas, heading, left, HEADER - 4, GREY, 0.34)
            for name, top in zip(views, tops, strict=True):
                if name in seen:
                    canvas[top : top + h, left : left + w] = _drawn(cells[name], strip.size)
            left += w + GAP
        left += BLOCK_GAP - GAP
    return canvas


def _line(place: Pixels, strip: Strip, view: str) -> None:
    """Say in one line why a camera has nothing of a view."""
    place[:] = BLANK
    note = strip.columns[0][1][view].note
    _write(place, note[: int((place.shape[1] - 8) / CHARACTER_PX)], 4, 14, GREY, 0.34)


def _drawn(cell: Cell, size: tuple[int, int]) -> Pixels:
    if cell.picture is None:
        blank = np.full((size[1], size[0], 3), BLANK, np.uint8)
        for line, text in enumerate(_folded(cell.note, int((size[0] - 8) / CHARACTER_PX))):
            _write(blank, text, 4, 16 + 13 * line, GREY, 0.34)
        return blank
    smaller = cell.picture.shape[1] > size[0]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cell.picture, size, interpolation=way), np.uint8)


def _folded(text: str, columns: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= columns:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:6]


def _write(
    canvas: Pixels, text: str, x: int, y: int, colour: tuple[int, int, int], size: float
) -> None:
    # The font has ASCII only.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, (x, y), FONT, size, colour, 1, cv2.LINE_AA)
