"""One picture of a recording as a JPEG: from the archive, else from what the catalog keeps of it.

Reads frames of the archive; writes nothing. Pages ask for pictures of any instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from infra.errors import MediaError
from tasks.archives.entry import source_of
from tasks.decode import Scale, sample
from tasks.views.packing import unpacked
from tasks.views.thumbnail import SPEC

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

QUALITY = 82


def still(recording: Mapping[str, Any], at_ns: int, side: int) -> bytes:
    """Return the frame shown `at_ns` of the recording's clock, no side longer than `side` px.

    `recording` is a row with the columns of `page_recordings`.

    Raises:
        MediaError: it has no picture there, or cannot be decoded.
        OSError: the archive cannot be read.
    """
    source = source_of(
        recording["archive_uri"],
        recording["member"],
        recording["byte_offset"],
        recording["byte_size"],
        packed=recording["packed"],
        stream=recording["stream"],
    )
    width, height = fitted(recording["width"], recording["height"], side)
    scale = Scale("still", width, height, "rgb24")
    for frame in sample(source, [at_ns], (scale,), start_pts=recording["start_pts"]):
        return jpeg(frame.images["still"])
    raise MediaError(f"{recording['member']} shows nothing there", reason="no_frames")


def kept_still(feature: Mapping[str, Any], at_ns: int, recording: Mapping[str, Any]) -> bytes:
    """Return the stored thumbnail nearest to an instant of the session clock, in its true shape.

    `feature` is a row of the view *thumbnail* with a step that is present.

    Raises:
        ValueError: its bytes are not what the view says.
    """
    found = unpacked(SPEC, feature)
    span_ns = max(1, feature["end_ns"] - feature["start_ns"])
    wanted = (at_ns - feature["start_ns"]) * feature["steps"] / span_ns
    present = np.flatnonzero(found.mask)
    step = int(present[np.argmin(np.abs(present - wanted))])
    picture = np.asarray(found.arrays[0][step], np.uint8)
    size = fitted(recording["width"], recording["height"], 2 * max(picture.shape[:2]))
    return jpeg(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8))


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the largest even size of the same shape within `side` px, not above the original."""
    factor = min(1.0, side / max(1, width, height))
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture (H, W, 3), red first, as JPEG."""
    blue_first = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"a picture of {picture.shape} is no JPEG")
    return bytes(coded.tobytes())
