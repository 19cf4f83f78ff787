"""ffmpeg's motion-compensated rate conversion, `minterpolate`: a peer of ours.

Frames in, frames out, through a filter graph in memory; no container is opened.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
import av.filter
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

# Frames are numbered in seconds: what counts is that the rate is doubled.
_RATE, _TIME_BASE = Fraction(1), Fraction(1, 2)


def doubled(frames: Sequence[Pixels]) -> dict[int, Pixels]:
    """Return what it shows at half-frames: number of the half-frame from 0 -> (H, W, 3).

    It gives nothing at the first and last ones, nor for sides below its blocks.
    """
    height, width = frames[0].shape[:2]
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("yuv420p"), time_base=_TIME_BASE
    )
    asked = "fps=2:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1:scd=none"
    filtered, sink = graph.add("minterpolate", asked), graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    found: dict[int, Pixels] = {}
    for k, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = 2 * k, _TIME_BASE
        graph.push(frame)
        _drain(graph, found)
    graph.push(None)
    _drain(graph, found)
    return found


def _drain(graph: av.filter.Graph, found: dict[int, Pixels]) -> None:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, av.VideoFrame) and frame.pts is not None and frame.time_base:
            number = round(frame.pts * frame.time_base * 2)
            found[number] = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
