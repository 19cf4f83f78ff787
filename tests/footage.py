"""Small recordings of many makes for tests: what was put in is known frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from catalog.span import SECOND_NS
from tasks.decode import Decoded, Limits, Sampled, Scale, Source, decode_all
from tasks.mux import write_video

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

ODD = Path(__file__).parents[1].parent / "shared" / "data" / "odd"
LUMA = (Scale("luma", None, None, "gray"),)
COUNT, RATE = 100, 25
STEP_NS = SECOND_NS // RATE


@dataclass(frozen=True)
class Case:
    """One way of coding, and the most of its packets that 2 frames/s may cost (1: no plan)."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    share: float = 1.0
    pixel_format: str = "yuv420p"
    uneven: bool = False
    rotation: int = 0


def x264(parameters: str) -> dict[str, str]:
    """Return fast x264 options; scene cuts would move keyframes."""
    return {"preset": "veryfast", "x264-params": f"scenecut=0:{parameters}"}


def x265(parameters: str) -> dict[str, str]:
    """Return fast x265 options."""
    return {"preset": "ultrafast", "x265-params": f"log-level=none:{parameters}"}


VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "16", "auto-alt-ref": "1"}


def moving() -> list[Pixels]:
    """Return frames 96 wide and 64 high: a textured square that circles over a sliding texture."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (2, 96, 360, 3)).astype(np.float32)
    ground, square = (
        cv2.normalize(cv2.GaussianBlur(part, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
        for part in noise
    )
    made = []
    for k in range(COUNT):
        frame = ground[10:74, 2 * k : 2 * k + 96].astype(np.uint8)
        top, left = int(20 + 18 * np.sin(k / 7)), int(36 + 34 * np.cos(k / 9))
        frame[top : top + 24, left : left + 24] = square[:24, :24]
        made.append(frame)
    return made


def times_of(case: Case) -> list[int]:
    """Return each frame's time in whole milliseconds, as ns."""
    if not case.uneven:
        return [k * STEP_NS for k in range(COUNT)]
    steps = np.random.default_rng(5).integers(20, 90, COUNT)
    return [int(t) * 1_000_000 for t in np.cumsum(steps) - steps[0]]


def write_case(folder: Path, case: Case) -> Source:
    """Write the frames of `moving` as a case says."""
    pictures = moving()
    write_video(
        folder / case.name,
        zip(pictures, times_of(case), strict=True) if case.uneven else pictures,
        rate=RATE,
        codec=case.codec,
        options=case.options,
        pixel_format=case.pixel_format,
        rotation=case.rotation,
    )
    return Source(str(folder / case.name))


def first_pts(source: Source) -> int:
    """Return the pts of the first frame."""
    first = next(decode_all(source, Limits(pixels=1 << 22, frames=COUNT)))
    assert isinstance(first, Decoded)
    return first.pts


def facts(found: Sequence[Sampled]) -> list[tuple[int, int, tuple[int, ...], dict[str, bytes]]]:
    """Return what must be equal between two ways of decoding."""
    return [
        (s.t_ns, s.pts, s.indices, {name: image.tobytes() for name, image in s.images.items()})
        for s in found
    ]
