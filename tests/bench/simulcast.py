"""What x264, x265 and SVT-AV1 take for the same pictures, each camera by itself.

Reads and writes nothing. Windows are as free-standing as the distiller's codes: each begins with a
key frame. Only frames are counted, neither headers nor container; pictures are also coded at half
their side and enlarged, which low rates like. All of this is in the encoders' favour.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from rate_curves import Point

from tasks.containers.encoders import encoder_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Pixels = npt.NDArray[np.uint8]

DECODERS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "libdav1d"}
NAMES = {"libx264": "x264", "libx265": "x265", "libsvtav1": "SVT-AV1"}
# Coarse to fine; AV1 counts to 63. Beyond these the coarsest do not get smaller.
CRFS = {
    "libx264": (51, 45, 39, 33, 27),
    "libx265": (51, 45, 39, 33, 27),
    "libsvtav1": (63, 57, 50, 42, 34),
}
GLOBAL_HEADER = 1 << 22  # of AVCodecContext.flags: parameter sets are no part of the packets
SEI = 6  # x264 signs its first picture in 650 bytes


def simulcast(codec: str, cameras: Sequence[Pixels], steps: int) -> list[Point]:
    """Return bytes and PSNR of all cameras together, by quality and size of picture.

    `cameras` are (N, side, side, 3) uint8 each, N a multiple of `steps`, the frames of a window.
    """
    points = []
    for halved in (False, True):
        for crf in CRFS[codec]:
            size, error, values = 0, 0.0, 0
            for pictures in cameras:
                side = pictures.shape[1]
                small = _resized(pictures, side // 4 * 2) if halved else pictures
                packets, decoded = coded(codec, small, crf, steps)
                shown = _resized(decoded, side) if halved else decoded
                size += packets
                error += float(np.square(shown.astype(np.float64) - pictures).sum())
                values += pictures.size
            psnr = 10 * np.log10(255**2 / max(error / values, 1e-12))
            points.append(Point(size, float(psnr), f"crf {crf}{' half' if halved else ''}"))
    return points


def coded(codec: str, pictures: Pixels, crf: int, steps: int) -> tuple[int, Pixels]:
    """Encode and decode pictures; return the frames' bytes and what comes back."""
    context: Any = av.CodecContext.create(codec, "w")
    context.height, context.width = pictures.shape[1:3]
    context.pix_fmt, context.thread_count, context.gop_size = "yuv420p", 1, steps
    context.time_base, context.framerate = Fraction(2, 25), Fraction(25, 2)
    context.flags |= GLOBAL_HEADER
    context.options = encoder_options(codec, _options(codec, crf, steps))
    packets = []
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = number, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    reader: Any = av.CodecContext.create(DECODERS[codec], "r")
    reader.extradata = context.extradata
    frames = [frame for packet in packets for frame in reader.decode(packet)]
    frames += reader.decode(None)
    keys = [packet.pts for packet in packets if packet.is_keyframe]
    # A window that leans on another's frames would be a cheaper thing than what it is beside.
    assert sorted(keys) == list(range(0, len(pictures), steps)), keys
    shown = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    size = sum(_picture_bytes(bytes(packet)) if codec == "libx264" else packet.size
               for packet in packets)  # fmt: skip
    return size, shown


def _options(codec: str, crf: int, steps: int) -> dict[str, str]:
    gop = f"keyint={steps}:min-keyint={steps}:scenecut=0"
    if codec == "libx264":
        return {"crf": str(crf), "preset": "slower", "x264-params": gop}
    if codec == "libx265":
        return {
            "crf": str(crf),
            "preset": "slow",
            "x265-params": f"{gop}:open-gop=0:info=0:log-level=none",
        }
    return {"crf": str(crf), "preset": "4", "svtav1-params": f"keyint={steps}:irefresh-type=2"}


def _picture_bytes(packet: bytes) -> int:
    """Return the bytes of an Annex B packet without its SEI."""
    parts = packet.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return sum(len(part) + 3 for part in parts if part and part[0] & 31 != SEI)


def _resized(pictures: Pixels, side: int) -> Pixels:
    way = cv2.INTER_AREA if side < pictures.shape[1] else cv2.INTER_CUBIC
    found: Iterable[Any] = (cv2.resize(one, (side, side), interpolation=way) for one in pictures)
    return np.stack([np.asarray(one, np.uint8) for one in found])
