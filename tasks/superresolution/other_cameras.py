"""The other cameras of a clip as references: their frames at the same moments, warped onto ours.

Reads the archive through `decode`, frame by frame; writes nothing. One camera is looked at, the one
that shows most of what ours shows at the first frame; cameras stand still within a clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.errors import MediaError
from tasks.decode import Scale, frames
from tasks.superresolution.reference_warps import plane_of, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from tasks.recordings.sources import ClipSource
    from tasks.superresolution.reference_warps import Matrix, Reference

    Pixels = npt.NDArray[np.uint8]
    Timed = tuple[int, Pixels]

# A plane in common that covers less than this is none: what it adds is not worth what it costs.
LEAST_COVERAGE = 0.02


@dataclass(slots=True)
class InStep:
    """Frames of one camera (session time in ns, picture), asked for in the order of time."""

    source: Iterator[Timed]
    _before: Timed | None = None
    _after: Timed | None = None

    def at(self, t_ns: int) -> Pixels | None:
        """Return the frame nearest to an instant; None if the camera has none."""
        if self._before is None:
            self._before = next(self.source, None)
            self._after = next(self.source, None)
        while self._after is not None and self._after[0] <= t_ns:
            self._before, self._after = self._after, next(self.source, None)
        if self._before is None:
            return None
        if self._after is not None and self._after[0] - t_ns < t_ns - self._before[0]:
            return self._after[1]
        return self._before[1]


class OtherCameras:
    """References for one camera of a clip, from whichever other camera serves it best."""

    def __init__(self, cameras: Sequence[Callable[[], Iterator[Timed]]]) -> None:
        """Take, of each camera, what begins to read it: it is read only once it is asked for."""
        self._cameras = cameras
        self._chosen: InStep | None = None
        self._plane: Matrix | None = None
        self._looked = False
        self.camera: int | None = None  # which is looked at, once one is

    def at(self, enlarged: Pixels, t_ns: int) -> Reference:
        """Return the reference for our frame (H, W, 3) at an instant of the session, in order."""
        if not self._looked:
            self._look(enlarged, t_ns)
        theirs = self._chosen.at(t_ns) if self._chosen is not None else None
        if theirs is None:
            return reference(enlarged, enlarged, None)
        return reference(enlarged, theirs, self._plane)

    def _look(self, enlarged: Pixels, t_ns: int) -> None:
        self._looked, best = True, LEAST_COVERAGE
        for k, begin in enumerate(self._cameras):
            camera = InStep(begin())
            try:
                theirs = camera.at(t_ns)
            except MediaError:
                # That camera cannot be read; ours can, and is worth a video.
                continue
            if theirs is None:
                continue
            plane = plane_of(enlarged, theirs)
            found = reference(enlarged, theirs, plane).coverage
            if found > best:
                best, self._chosen, self._plane, self.camera = found, camera, plane, k


def read_in_time(clip: ClipSource, size: tuple[int, int]) -> Iterator[Timed]:
    """Yield a camera's frames at a size (width, height), with their times on the session clock.

    Raises:
        MediaError: the recording cannot be read.
    """
    scale = Scale("seen", *size, "rgb24")
    for found in frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts):
        yield clip.clock.to_session(found.t_ns), found.images["seen"]
