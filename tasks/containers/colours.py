"""Colour tags of a written video: which matrix and range, and the numbers that say so.

Reads and writes nothing. Numbers are those of ITU-T H.273, names those of FFmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass

HD_LINES = 720


@dataclass(frozen=True, slots=True)
class Colours:
    """How RGB becomes what is stored, and the tags that let a player undo it.

    `scaler_matrix` and `scaler_range` are what the scaler calls `matrix` and `range`.
    """

    matrix: int
    transfer: int
    primaries: int
    scaler_matrix: str
    full: bool

    @property
    def range(self) -> int:
        """1 limited (16-235), 2 full (0-255)."""
        return 2 if self.full else 1

    @property
    def scaler_range(self) -> str:
        """The scaler's name of `range`."""
        return "JPEG" if self.full else "MPEG"


# The transfer and primaries are those that come with each matrix in broadcast.
_KNOWN = {
    "bt709": (1, 1, 1, "ITU709"),
    "fcc": (4, 4, 4, "FCC"),
    "bt470bg": (5, 6, 5, "ITU601"),
    "smpte170m": (6, 6, 6, "ITU601"),
    "smpte240m": (7, 7, 7, "SMPTE240M"),
    "bt2020nc": (9, 14, 9, "BT2020"),
}
_NAMES = {
    "itu709": "bt709",
    "itu601": "smpte170m",
    "bt2020": "bt2020nc",
    "1": "bt709",
    "4": "fcc",
    "5": "bt470bg",
    "6": "smpte170m",
    "7": "smpte240m",
    "9": "bt2020nc",
}
_FULL = frozenset({"pc", "jpeg", "full", "2"})


def colours(color_space: str | None, color_range: str | None, height: int) -> Colours:
    """Return the colours to write, given a source's tags as names or numbers (None: untagged).

    An absent or unknown matrix becomes BT.709 from 720 lines on and SMPTE 170M below: what a
    player that ignores tags takes for granted. An absent range is limited.
    """
    name = (color_space or "").lower()
    name = _NAMES.get(name, name)
    guess = "bt709" if height >= HD_LINES else "smpte170m"
    matrix, transfer, primaries, scaler = _KNOWN.get(name, _KNOWN[guess])
    full = (color_range or "").lower() in _FULL
    return Colours(matrix, transfer, primaries, scaler, full)
