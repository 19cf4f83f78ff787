"""A user's picture as a style: read with care, and told its code.

Reads one file, and the asset `style-teacher` for its code; writes nothing.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from infra.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

LEAST_SIDE = 32
# 64 Mpx are 256 MB while they are decoded; a code is told of 256 x 256.
MOST_PIXELS = 64 << 20
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# Start of frame: all from 0xC0 to 0xCF but tables and arithmetic conditioning.
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def style_picture_of(path: Path) -> Pixels:
    """Return a PNG or JPEG as (H, W, 3) uint8 rgb; what is transparent is white, grey is grey.

    Its size is read before its pixels are: a small file can claim a huge picture.

    Raises:
        InputFileError: it is no such picture, or smaller than 32 px or larger than 64 Mpx.
    """
    data = path.read_bytes()
    try:
        width, height = _size(data)
    except (ValueError, struct.error, IndexError) as error:
        raise _refused(path, "is no PNG or JPEG picture") from error
    if min(width, height) < LEAST_SIDE:
        raise _refused(
            path, f"is {width} x {height}: no style is seen in less than {LEAST_SIDE} px"
        )
    if width * height > MOST_PIXELS:
        raise _refused(path, f"is {width} x {height}: at most {MOST_PIXELS >> 20} Mpx are read")
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise _refused(path, "is damaged")
    if found.dtype == np.uint16:
        found = (found >> 8).astype(np.uint8)
    if found.ndim == 2:
        return np.asarray(cv2.cvtColor(found, cv2.COLOR_GRAY2RGB), np.uint8)
    colour = cv2.cvtColor(found[..., :3], cv2.COLOR_BGR2RGB)
    if found.shape[2] == 4:
        alpha = found[..., 3:].astype(np.float32) / 255
        colour = (colour * alpha + 255 * (1 - alpha)).round()
    return np.asarray(colour, np.uint8)


def _size(data: bytes) -> tuple[int, int]:
    """Return width and height as a header says.

    Raises:
        ValueError, struct.error, IndexError: it is no PNG or JPEG, or ends before that.
    """
    if data.startswith(PNG):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if not data.startswith(JPEG):
        raise ValueError("neither")
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker")
        marker = data[at + 1]
        if marker in START_OF_FRAME:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        # Fill bytes and markers without a length stand alone.
        alone = marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD7
        step = 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] if not alone else 2
        at += 1 if marker == 0xFF else step


@lru_cache(maxsize=8)
def style_code(assets: Path, path: Path) -> tuple[float, ...]:
    """Return the code of a picture's style, rounded to six digits as it stands in a row.

    Raises:
        AssetMissingError, AssetCorruptError: the asset is not here.
        InputFileError: it is no picture.
    """
    from tasks.style.teacher import CodePredictor

    code = CodePredictor(assets)(style_picture_of(path))
    return tuple(round(float(value), 6) for value in code)


def _refused(path: Path, why: str) -> InputFileError:
    return InputFileError(f"{path} {why}.", command="stillhouse generate style --help")
