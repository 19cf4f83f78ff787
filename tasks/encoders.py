"""What each video encoder is told: its defaults here, and what keeps it to one thread.

Reads and writes nothing. One thread makes the bytes the same on every run, and files in parallel
beat threads in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# crf 16: luma within 45 dB of what came in on moving fine texture, which no eye tells apart.
_DEFAULTS = {"libx264": {"preset": "veryfast", "crf": "16"}}
# These start pools of their own, whatever the number of threads asked for.
_ONE_THREAD = {
    "libx265": ("x265-params", "log-level=error:pools=none:frame-threads=1"),
    "libsvtav1": ("svtav1-params", "lp=1"),
}


def encoder_options(codec: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """Return the options of an encoder: the caller's over our defaults, on one thread."""
    options = _DEFAULTS.get(codec, {}) | dict(given or {})
    if codec in _ONE_THREAD:
        name, value = _ONE_THREAD[codec]
        options[name] = f"{value}:{options[name]}" if name in options else value
    return options
