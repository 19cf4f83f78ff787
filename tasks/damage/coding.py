"""What a video encoder and a bad line do: H.264 and H.265 at high factors, flipped bits.

Writes frames to a small video in a temporary folder and reads them back as recordings are read:
frames that the decoder knows to be broken are passed over, and the last good one stays.
"""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from catalog.span import SECOND_NS, Span
from infra.errors import MediaError
from tasks.damage.footage import Damaged
from tasks.damage.timing import held
from tasks.decode import Scale, Source
from tasks.decode import frames as decoded
from tasks.mux import write_video

if TYPE_CHECKING:
    from tasks.damage.footage import Bools, Footage, Pixels

RATE = 25
# Flipped bits are in a video of this factor, with a keyframe this often: errors end there.
CLEAN_CRF, KEYFRAME_EVERY = 23, 8
# Where the pictures of a Matroska file begin; before it is what a decoder cannot do without.
_CLUSTER = bytes.fromhex("1f43b675")
_WHOLE = (Scale("whole", None, None, "rgb24"),)


def h264(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Encode by x264 at that constant rate factor (0 best, 51 worst), and decode."""
    return _coded(frames, "libx264", level, footage)


def h265(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Encode by x265 at that constant rate factor, and decode."""
    return _coded(frames, "libx265", level, footage)


def bit_errors(frames: Pixels, level: float, footage: Footage) -> Damaged:
    """Encode by x264 at factor 23, flip `level` bits a frame, and decode what is left.

    Bits that a lower level flips are flipped too.
    """
    return _coded(frames, "libx264", CLEAN_CRF, footage, flips=level)


def _coded(frames: Pixels, codec: str, crf: float, footage: Footage, flips: float = 0.0) -> Damaged:
    count, height, width = frames.shape[:3]
    # Chroma is halved: an odd side gets its last line twice, and loses it again.
    whole = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    options = {"preset": "veryfast", "crf": f"{crf:g}"}
    if flips:
        options["g"] = str(KEYFRAME_EVERY)
    with TemporaryDirectory(prefix="stillhouse-damage-") as folder:
        path = Path(folder) / "coded.mkv"
        write_video(path, list(whole), rate=RATE, codec=codec, options=options)
        if flips:
            path.write_bytes(_flipped(path.read_bytes(), math.ceil(flips * count), footage))
        made, there = _read(path, whole)
    made[~there] = whole[~there]
    lost = Damaged(made[:, :height, :width], there)
    return Damaged(held(lost), np.full(count, bool(there.any())))


def _read(path: Path, whole: Pixels) -> tuple[Pixels, Bools]:
    """Return the frames that can be read, at their places, and which those are."""
    made, there = np.zeros_like(whole), np.zeros(len(whole), bool)
    span = Span(0, len(whole) * SECOND_NS)
    try:
        for frame in decoded(Source(str(path)), span, _WHOLE, start_pts=0, plan=False):
            k = round(frame.t_ns * RATE / SECOND_NS)
            picture = frame.images["whole"]
            if k < len(whole) and picture.shape == whole.shape[1:]:
                made[k], there[k] = picture, True
    except MediaError:
        # The container itself was hit: what was read until then is what there is.
        return made, there
    return made, there


def _flipped(data: bytes, count: int, footage: Footage) -> bytes:
    first = data.index(_CLUSTER) + len(_CLUSTER)
    made = np.frombuffer(data, np.uint8).copy()
    rng = footage.of_camera("bit_errors")
    for _ in range(count):
        place = first + int(rng.random() * (len(made) - first))
        made[place] ^= np.uint8(1 << int(rng.integers(8)))
    return made.tobytes()
