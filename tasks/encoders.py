"""What each video encoder is told: its defaults here, and what makes it repeat itself.

Reads and writes nothing. On one thread the bytes do not depend on scheduling, and files in
parallel beat threads in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from collections.abc import Mapping

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
