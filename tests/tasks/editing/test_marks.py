"""Marks: boxes and mask files are hostile input, and are refused with what is wrong with them."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from infra.errors import RegionInvalidError
from tasks.editing.changes import parse_colour, read_picture
from tasks.editing.marks import Box, read_mask

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (64, 48)


def test_a_box_marks_its_pixels() -> None:
    """Left, top, width, height."""
    mask = Box.parse("3,5,10,7").mask(SIZE)
    assert mask.shape == (48, 64)
    assert mask.sum() == 70
    assert mask[5:12, 3:13].all()


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "-1,0,9,9", "0,0,0,9", "9" * 40 + ",0,9,9"],
)
def test_what_is_no_box_is_refused(text: str) -> None:
    """Four whole numbers, none negative, none so large that it cannot be a picture's."""
    with pytest.raises(RegionInvalidError):
        Box.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60,0,10,10", "not inside the frame of 64x48"),
        ("0,0,3,3", "9 pixels"),
        ("0,0,64,48", "whole"),
    ],
)
def test_a_box_that_does_not_fit_the_frame_is_refused(text: str, said: str) -> None:
    """Outside, too small, or everything."""
    with pytest.raises(RegionInvalidError, match=said):
        Box.parse(text).mask(SIZE)


def _png(path: Path, pixels: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


@pytest.mark.parametrize("kind", ["grey", "colour", "alpha", "deep"])
def test_a_mask_file_is_what_is_bright_and_opaque(tmp_path: Path, kind: str) -> None:
    """Grey, colour, with transparency, of 16 bits."""
    wanted = np.zeros((48, 64), bool)
    wanted[10:20, 30:50] = True
    grey = np.where(wanted, 255, 0).astype(np.uint8)
    pixels = {
        "grey": grey,
        "colour": np.repeat(grey[..., None], 3, axis=2),
        "alpha": np.dstack([np.full((48, 64, 3), 255, np.uint8), grey]),
        "deep": np.where(wanted, 65535, 0).astype(np.uint16),
    }[kind]
    assert (read_mask(_png(tmp_path / "m.png", pixels), SIZE) == wanted).all()


def _lying_header() -> bytes:
    """A PNG of 64 x 48 by its header, of which nothing follows."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is no PNG"),
        (b"GIF89a" + bytes(40), "is no PNG"),
        (_lying_header(), "is damaged"),
        (_lying_header().replace(struct.pack(">I", 64), b"\xff" * 4), "4294967295x48"),
    ],
)
def test_a_file_that_is_no_mask_is_refused(tmp_path: Path, raw: bytes, said: str) -> None:
    """By its header, before a pixel is decoded."""
    path = tmp_path / "mask.png"
    path.write_bytes(raw)
    with pytest.raises(RegionInvalidError, match=said):
        read_mask(path, SIZE)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((48, 64), np.uint8), "0 pixels"),
        (np.full((48, 64), 255, np.uint8), "whole frame"),
        (np.full((64, 48), 255, np.uint8), "48x64, the frame 64x48"),
    ],
)
def test_a_mask_that_cannot_be_a_region_is_refused(
    tmp_path: Path, pixels: np.ndarray, said: str
) -> None:
    """Empty, everything, of another size than the frame."""
    with pytest.raises(RegionInvalidError, match=said):
        read_mask(_png(tmp_path / "mask.png", pixels), SIZE)


@pytest.mark.parametrize("text", ["red", "#12345", "#1234567", "#gggggg", "123456"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    """#rrggbb alone."""
    with pytest.raises(RegionInvalidError):
        parse_colour(text)


@pytest.mark.parametrize("raw", [b"", b"text", b"\xff\xd8\xff" + bytes(30), _lying_header()])
def test_what_is_no_picture_does_not_replace(tmp_path: Path, raw: bytes) -> None:
    """Neither by its name nor by its first bytes."""
    path = tmp_path / "picture.png"
    path.write_bytes(raw)
    with pytest.raises(RegionInvalidError):
        read_picture(path)
