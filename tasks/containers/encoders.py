"""What each video encoder is told: its defaults here, and what makes it repeat itself.

Reads and writes nothing. On one thread the bytes do not depend on scheduling, and files in
parallel beat threads in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2

from infra.errors import ApplicationOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What players of mp4 know; any other codec goes into Matroska.
IN_MP4 = ("libx264", "libx265", "libsvtav1")
# crf 16: luma within 45 dB of what came in on moving fine texture, which no eye tells apart.
_DEFAULTS = {"libx264": {"preset": "veryfast", "crf": "16"}}
# libx265 and SVT-AV1 start pools of their own, whatever the number of threads asked for.
_REPEATABLE = {
    "libx265": ("x265-params", "log-level=error:pools=none:frame-threads=1"),
    "libsvtav1": ("svtav1-params", "lp=1"),
}
_AVX_512F = 13  # OpenCV's number of it; the name is not in its Python module
if cv2.checkHardwareSupport(_AVX_512F):
    # x264's AVX-512 code does not repeat itself, even on one thread with the same frames: with
    # macroblock trees and adaptive quantisation 141 of 300 runs at 320x240 gave other bytes than
    # the most frequent. Without it 0 of 300, and the bytes are those of a machine with SSE4.2.
    _REPEATABLE["libx264"] = ("x264-params", "asm=avx2")


def encoder_options(codec: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the options of an encoder: the caller's over our defaults, repeatable."""
    options = _DEFAULTS.get(codec, {}) | dict(given or {})
    if codec in _REPEATABLE:
        name, value = _REPEATABLE[codec]
        options[name] = f"{value}:{options[name]}" if name in options else value
    return options


def require_encoder(name: str, pixel_format: str) -> None:
    """Refuse an encoder that this PyAV does not have, or a pixel format it does not take.

    Raises:
        ApplicationOptionError: with those it would take.
    """
    try:
        codec = av.codec.Codec(name, "w")
    except ValueError as error:
        raise ApplicationOptionError(
            f"There is no encoder {name!r}; try {', '.join(IN_MP4)} or ffv1.",
            command="stillhouse generate --help",
        ) from error
    formats = [one.name for one in codec.video_formats or ()]
    if codec.type != "video" or (formats and pixel_format not in formats):
        raise ApplicationOptionError(
            f"{name} does not write {pixel_format}; it writes {', '.join(formats) or 'no video'}.",
            command="stillhouse generate --help",
        )
