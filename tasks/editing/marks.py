"""The region a user marks: a box or a mask file, on one frame of one camera.

Reads mask files, which are hostile input: bounded in bytes and pixels before they are decoded.
Everything else is arithmetic.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from infra.errors import RegionInvalidError

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.editing.evidence import Bools, Pixels

MAX_BYTES, MAX_PIXELS = 64 << 20, 1 << 26
LEAST_PIXELS = 16
_PNG = b"\x89PNG\r\n\x1a\n"
_COMMAND = "stillhouse generate edit --help"
# A box is what its object is in: at least and at most so much of it, else it is taken as it is.
LEAST_SHARE, MOST_SHARE = 0.05, 0.95
_ROUNDS = 4
_LONGEST = 480


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the displayed picture: left, top, width, height."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Box:
        """Return the box of `x,y,w,h`.

        Raises:
            RegionInvalidError: it is not four whole numbers, or one of them cannot be.
        """
        parts = text.split(",")
        if len(parts) != 4 or not all(_is_whole(part) for part in parts):
            raise RegionInvalidError(
                f"{text!r} is no box: x,y,w,h in whole pixels.", command=_COMMAND
            )
        x, y, width, height = (int(part) for part in parts)
        if min(x, y) < 0 or min(width, height) < 1:
            raise RegionInvalidError(
                f"The box {text} begins outside the frame or is empty.", command=_COMMAND
            )
        return cls(x, y, width, height)

    def mask(self, size: tuple[int, int]) -> Bools:
        """Return the rectangle in a picture of `size` (width, height): (H, W).

        Raises:
            RegionInvalidError: part of it is outside of the picture, or it is too small.
        """
        width, height = size
        if self.x + self.width > width or self.y + self.height > height:
            raise RegionInvalidError(
                f"The box {self.x},{self.y},{self.width},{self.height} is not inside the frame "
                f"of {width}x{height}.",
                command=_COMMAND,
            )
        mask = np.zeros((height, width), bool)
        mask[self.y : self.y + self.height, self.x : self.x + self.width] = True
        return _enough(mask, "The box")


def _is_whole(part: str) -> bool:
    digits = part.strip().removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 6


def read_mask(path: Path, size: tuple[int, int]) -> Bools:
    """Return the mask of a PNG file, (H, W): what is brighter than half and not transparent.

    Raises:
        RegionInvalidError: it is no PNG, too large, not of the frame's `size`, empty, or covers
            everything.
    """
    if path.stat().st_size > MAX_BYTES:
        raise RegionInvalidError(f"{path} is too large for a mask.", command=_COMMAND)
    raw = path.read_bytes()
    if not raw.startswith(_PNG) or raw[12:16] != b"IHDR" or len(raw) < 33:
        raise RegionInvalidError(f"{path} is no PNG picture.", command=_COMMAND)
    width, height = struct.unpack(">II", raw[16:24])
    if (width, height) != size or width * height > MAX_PIXELS:
        raise RegionInvalidError(
            f"The mask {path} is {width}x{height}, the frame {size[0]}x{size[1]}.",
            command=_COMMAND,
        )
    found = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.shape[:2] != (height, width):
        raise RegionInvalidError(f"The PNG {path} is damaged.", command=_COMMAND)
    shade = found.astype(np.float32) / np.iinfo(found.dtype).max
    if shade.ndim == 3:
        opaque = shade[..., 3] > 0.5 if shade.shape[2] == 4 else True
        shade = shade[..., :3].max(axis=2) * opaque
    return _enough(np.asarray(shade > 0.5), f"The mask {path}")


def _enough(mask: Bools, what: str) -> Bools:
    if mask.sum() < LEAST_PIXELS:
        raise RegionInvalidError(
            f"{what} marks {int(mask.sum())} pixels; a region has at least {LEAST_PIXELS}.",
            command=_COMMAND,
        )
    if mask.all():
        raise RegionInvalidError(f"{what} marks the whole frame.", command=_COMMAND)
    return mask


def object_in(picture: Pixels, box: Bools) -> Bools:
    """Return the object that a rectangle was drawn around, both (H, W): GrabCut.

    After Rother et al., SIGGRAPH 2004; at most 480 px large. Where it finds next to nothing, or
    everything, the rectangle itself.
    """
    shrink = min(1.0, _LONGEST / max(box.shape))
    size = (max(1, round(box.shape[1] * shrink)), max(1, round(box.shape[0] * shrink)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(box.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    if not inside.any() or inside.all():
        return box
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD)
    if not LEAST_SHARE <= found.sum() / inside.sum() <= MOST_SHARE:
        return box
    whole = cv2.resize(found.astype(np.float32), box.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray((whole > 0.5) & box)
