"""What is done to a region: replaced, recoloured, blurred or removed, drawn in by its alpha.

Pure arithmetic on rgb24 pictures (H, W, 3) and alphas (H, W) in 0..1; what is outside an alpha is
left as it is, bit for bit. `plate.py` makes what stands behind a region that is removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from infra.errors import RegionInvalidError
from tasks.editing.following import window
from tasks.editing.marks import MAX_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.editing.evidence import Bools, Floats, Pixels

Kind = Literal["replace", "recolour", "blur", "remove"]
Colour = tuple[int, int, int]
# Blur hides: its deviation, in square roots of the region's area.
BLUR = 0.12


def parse_colour(text: str) -> Colour:
    """Return the levels of `#rrggbb`.

    Raises:
        RegionInvalidError: it is none.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise RegionInvalidError(
            f"{text!r} is no colour: #rrggbb.", command="stillhouse generate edit --help"
        )
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@dataclass(frozen=True)
class Change:
    """One kind of change. `colour` is what recolours, or replaces where there is no `picture`.

    `lightness` is the region's mean L where it was marked (0..255): recolouring moves all by what
    takes that to the colour's, so that it does not flicker.
    """

    kind: Kind
    colour: Colour = (128, 128, 128)
    picture: Pixels | None = None
    lightness: float | None = None

    def apply(self, frame: Pixels, alpha: Floats, behind: Pixels | None = None) -> Pixels:
        """Return the frame with its region changed; `behind` (H, W, 3) is needed to remove it.

        Raises:
            ValueError: it is to be removed and nothing is known behind it.
        """
        if not (alpha > 0).any():
            return frame
        box = window(alpha > 0, 0)
        made = self._made(frame, alpha, box, behind)
        share = alpha[box][..., None]
        mixed = np.rint(frame[box] * (1 - share) + made * share).astype(np.uint8)
        changed = frame.copy()
        changed[box] = np.where(share > 0, mixed, frame[box])
        return changed

    def _made(
        self, frame: Pixels, alpha: Floats, box: tuple[slice, slice], behind: Pixels | None
    ) -> Pixels:
        """Return what the box shows once all of it is changed."""
        if self.kind == "remove":
            if behind is None:
                raise ValueError("nothing is known of what is behind the region")
            return behind[box]
        if self.kind == "blur":
            sigma = max(2.0, BLUR * float(np.sqrt(alpha.sum())))
            wide = window(alpha > 0, int(3 * sigma))
            soft = np.asarray(cv2.GaussianBlur(frame[wide], (0, 0), sigma), np.uint8)
            top, left = box[0].start - wide[0].start, box[1].start - wide[1].start
            height, width = alpha[box].shape
            return soft[top : top + height, left : left + width]
        if self.kind == "recolour":
            return self._recoloured(frame[box])
        return self._replacement(alpha[box].shape[0], alpha[box].shape[1])

    def _recoloured(self, part: Pixels) -> Pixels:
        """Return a part with the hue and chroma of the colour and its own shading."""
        target = cv2.cvtColor(np.array([[self.colour]], np.uint8), cv2.COLOR_RGB2LAB)[0, 0]
        lab = cv2.cvtColor(part, cv2.COLOR_RGB2LAB).astype(np.float32)
        middle = float(lab[..., 0].mean()) if self.lightness is None else self.lightness
        lab[..., 0] += float(target[0]) - middle
        lab[..., 1:] = target[1:]
        levels = lab.clip(0, 255).round().astype(np.uint8)
        return np.asarray(cv2.cvtColor(levels, cv2.COLOR_LAB2RGB), np.uint8)

    def _replacement(self, height: int, width: int) -> Pixels:
        """Return the picture, cut to the box's shape about its middle, or the plain colour."""
        if self.picture is None:
            return np.broadcast_to(np.array(self.colour, np.uint8), (height, width, 3))
        tall, wide = self.picture.shape[:2]
        scale = max(height / tall, width / wide)
        kept_h, kept_w = max(1, round(height / scale)), max(1, round(width / scale))
        top, left = (tall - kept_h) // 2, (wide - kept_w) // 2
        kept = self.picture[top : top + kept_h, left : left + kept_w]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(kept, (width, height), interpolation=way), np.uint8)


def read_picture(path: Path) -> Pixels:
    """Return the picture (H, W, 3) of a PNG or JPEG file that is to replace a region.

    Raises:
        RegionInvalidError: it is none, or too large.
    """
    raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    if not raw.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        raise RegionInvalidError(f"{path.name} is no PNG or JPEG of a size that is read.")
    try:
        # The library refuses pictures of over 2^30 pixels by itself, and raises.
        found = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise RegionInvalidError(f"{path.name} cannot be decoded: too large.") from error
    if found is None or found.shape[0] * found.shape[1] > MAX_PIXELS:
        raise RegionInvalidError(f"{path.name} is damaged, or larger than {MAX_PIXELS} pixels.")
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


def lightness_of(picture: Pixels, mask: Bools) -> float:
    """Return the mean L (0..255) of a region (H, W) of a picture."""
    return float(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 0][mask].mean())
