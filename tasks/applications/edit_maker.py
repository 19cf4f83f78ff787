"""The worker of edits: follows a marked region into one camera, changes it, writes the video.

Two passes: the first at working size, held in memory (a clip lasts seconds: 0.4 MB a frame), tells
where the region is; the second, at full size, changes it frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from catalog.span import Span
from infra.errors import MediaError
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.decode import Scale, frames, sample
from tasks.editing.changes import Change, lightness_of, parse_colour, read_picture
from tasks.editing.evidence import SAMPLES
from tasks.editing.features import PictureFeatures
from tasks.editing.marks import Box, object_in, read_mask
from tasks.editing.plate import clean_plate, moving_in, stands_still
from tasks.editing.regions import MOMENTS, Region, Regions, Seen, full_alpha, work_size
from tasks.generation.requests import Made
from tasks.rigs.calibration import Calibration
from tasks.rigs.pinhole import resized

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.applications.edit import Edit
    from tasks.generation.requests import CameraSource, Request
    from tasks.rigs.calibration import CameraModel

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Mark:
    """The mark as the worker needs it: at working size, and how light it is."""

    start: int
    mask: Floats
    lightness: float


class EditMaker(Maker):
    """Makes the edits of one run."""

    def __init__(self, asked: Edit) -> None:
        self._asked = asked
        self._features = PictureFeatures(Path(asked.weights)) if asked.weights else None

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: a source cannot be read, or `region_not_found`: nothing in this camera
                looks like the region, and nothing says that it is out of the picture.
        """
        camera, given = request.sources[0], request.given
        marked = request.sources[given["marked"]]
        seen = _whole(marked, given["cameras"][given["marked"]])
        mark = self._mark(marked, seen, given)
        regions = Regions(seen, mark.start, mark.mask, self._features)
        if given["marked"] == 0:
            region = regions.marked()
        else:
            seen = _whole(camera, given["cameras"][0])
            helpers = [
                _sampled(one, model)
                for one, model in zip(request.sources[2:], given["cameras"][2:], strict=True)
            ]
            region = regions.other(seen, helpers)
        if region.reason == "not_found":
            raise MediaError(
                f"nothing in {camera.clip.camera_id} looks like the region marked in "
                f"{marked.clip.camera_id}",
                reason="region_not_found",
            )
        return self._written(request, seen, region, mark)

    def _mark(self, marked: CameraSource, seen: Seen, given: dict[str, Any]) -> _Mark:
        """Return the marked region in the frame that is shown at its instant."""
        asked, at_ns = self._asked, given["at_ns"]
        shown = [k for k, t_ns in enumerate(seen.times_ns) if t_ns <= at_ns]
        start = shown[-1] if shown else 0
        full = _frame_at(marked, seen.times_ns[start])
        if asked.box is not None:
            mask = Box.parse(asked.box).mask(marked.size)
            if not asked.exact:
                mask = object_in(full, mask)
        else:
            mask = read_mask(Path(str(asked.mask)), marked.size)
        height, width = seen.pictures[0].shape[:2]
        soft = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        if soft.max() <= 0.5:
            raise MediaError("the region is under a pixel at working size", reason="region_small")
        return _Mark(start, np.asarray(soft, np.float32), lightness_of(full, mask))

    def _written(self, request: Request, seen: Seen, region: Region, mark: _Mark) -> Made:
        asked, camera = self._asked, request.sources[0]
        clip, size = camera.clip, even(*camera.size)
        replacement = None
        if asked.picture is not None:
            replacement = read_picture(Path(asked.picture))
        change = Change(asked.change, parse_colour(asked.colour), replacement, mark.lightness)
        behind, guessed = None, None
        if asked.change == "remove" and stands_still(seen.pictures, region.masks):
            behind, guessed = self._plate(camera, seen, region, size)
        comparison = Comparison(clip.span.duration_ns)
        shares: list[float] = []

        def video() -> Iterator[tuple[Pixels, int]]:
            for k, (full, t_ns) in enumerate(_frames(camera, size)):
                mask = region.masks[min(k, len(region.masks) - 1)]
                alpha = full_alpha(mask, seen.pictures[min(k, len(region.masks) - 1)], full)
                shares.append(float(alpha.mean()))
                plate = behind
                if asked.change == "remove" and plate is None:
                    plate, _ = clean_plate([full], [alpha])
                made = change.apply(full, alpha, plate)
                since_ns = t_ns - clip.recording_span.start_ns
                if comparison.wants(since_ns):
                    comparison.add({"source": full, asked.change: made})
                yield made, since_ns

        written = write(request, video(), audio=sound_of(camera))
        quality: dict[str, Any] = {
            "region": region.reason,
            "visible": round(region.visible, 4),
            "share": round(float(np.mean(shares)), 5),
        }
        if guessed is not None:
            quality["guessed"] = round(float(guessed.mean()), 5)
        return Made(written, *size, quality=quality, picture=comparison.write(request))

    def _plate(
        self, camera: CameraSource, seen: Seen, region: Region, size: tuple[int, int]
    ) -> tuple[Pixels, npt.NDArray[np.bool_]]:
        """Return what is behind the region, and where that is a guess."""
        some = np.linspace(0, len(seen.pictures) - 1, min(SAMPLES, len(seen.pictures)))
        wanted = sorted({int(k) for k in some.round()})
        clip = camera.clip
        instants = [clip.clock.to_recording(seen.times_ns[k]) for k in wanted]
        scale = Scale("frame", *size, "rgb24")
        pictures, masks, moving = [], [], []
        for one in sample(clip.source, instants, (scale,), start_pts=clip.start_pts):
            full = one.images["frame"]
            for index in one.indices[:1]:
                k = wanted[index]
                pictures.append(full)
                moving.append(moving_in(seen.pictures, k))
                masks.append(full_alpha(region.masks[k], seen.pictures[k], full))
        return clean_plate(pictures, masks, moving)


def _frames(camera: CameraSource, size: tuple[int, int]) -> Iterator[tuple[Pixels, int]]:
    """Yield the frames of a clip with their recording times."""
    clip = camera.clip
    scale = Scale("frame", *size, "rgb24")
    span = Span(max(0, clip.recording_span.start_ns), clip.recording_span.end_ns)
    for one in frames(clip.source, span, (scale,), start_pts=clip.start_pts):
        yield one.images["frame"], one.t_ns


def _whole(camera: CameraSource, model: str | None) -> Seen:
    """Read all frames of a clip at working size.

    Raises:
        MediaError: `no_frames`.
    """
    size = work_size(camera.size)
    found = list(_frames(camera, size))
    if not found:
        raise MediaError("no frame of this clip decodes", reason="no_frames")
    clock = camera.clip.clock
    times = [clock.to_session(t_ns) for _, t_ns in found]
    pictures = [picture for picture, _ in found]
    return Seen(camera.clip.camera_id, pictures, times, _model(model, size))


def _sampled(camera: CameraSource, model: str | None) -> Seen:
    """Read some moments of a clip at working size: it only helps."""
    clip, size = camera.clip, work_size(camera.size)
    count = SAMPLES + MOMENTS
    step = max(1, clip.span.duration_ns // count)
    times = [clip.span.start_ns + step // 2 + step * k for k in range(count)]
    instants = [clip.clock.to_recording(t_ns) for t_ns in times]
    pictures: list[Pixels] = []
    shown: list[int] = []
    scale = Scale("frame", *size, "rgb24")
    for one in sample(clip.source, instants, (scale,), start_pts=clip.start_pts):
        pictures.append(one.images["frame"])
        shown.append(clip.clock.to_session(one.t_ns))
    if not pictures:
        raise MediaError("no frame of this clip decodes", reason="no_frames")
    return Seen(clip.camera_id, pictures, shown, _model(model, size))


def _model(given: str | None, size: tuple[int, int]) -> CameraModel | None:
    return None if given is None else resized(Calibration.from_json(given).cameras[0], *size)


def _frame_at(camera: CameraSource, session_ns: int) -> Pixels:
    """Return the full frame that is shown at an instant.

    Raises:
        MediaError: `no_frames`.
    """
    clip = camera.clip
    scale = Scale("frame", *camera.size, "rgb24")
    instants = [clip.clock.to_recording(session_ns)]
    for one in sample(clip.source, instants, (scale,), start_pts=clip.start_pts):
        return one.images["frame"]
    raise MediaError("the marked frame does not decode", reason="no_frames")
