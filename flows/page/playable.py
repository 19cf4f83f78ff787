"""What a browser plays, and what a page says where it does not. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# By container, what every current browser decodes in it (HEVC is decoded by few, MPEG-4 Part 2,
# MPEG-2 and MJPEG by none).
PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", frozenset({"h264", "vp9", "av1"})),
    "matroska,webm": ("video/webm", frozenset({"vp8", "vp9", "av1"})),
}
# H.264 of 10 bits or with full chroma is not decoded by them either.
PLAIN_H264 = frozenset({"yuv420p", "yuvj420p", "nv12"})


def media_type(recording: Mapping[str, Any]) -> str:
    """Return the type that a recording's file is served as."""
    kind, _ = PLAYED.get(recording["container"], ("application/octet-stream", frozenset()))
    return kind


def unplayable(recording: Mapping[str, Any]) -> str:
    """Return why browsers do not play a recording, "" if they do."""
    kind = recording["container"]
    if kind is None:
        return "its file is not there any more"
    if recording["packed"]:
        return "it lies compressed in an archive, which cannot be read from the middle"
    if recording["stream"]:
        return "it is not the first video stream of its file"
    return _undecoded(kind, recording["codec"], recording["pixel_format"])


def _undecoded(kind: str, codec: str, pixel_format: str) -> str:
    if kind not in PLAYED:
        return f"browsers do not open {kind.split(',', maxsplit=1)[0]} files"
    if codec not in PLAYED[kind][1]:
        return f"browsers do not decode {codec} in {'mp4' if 'mp4' in kind else 'matroska'}"
    if codec == "h264" and pixel_format not in PLAIN_H264:
        return f"browsers do not decode h264 of {pixel_format}"
    return ""
