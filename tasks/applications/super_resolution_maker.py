"""The worker of super-resolution: reads a clip, runs the network over it, writes the video.

Memory does not grow with the clip: frames stream through the network into the encoder. What
decodes, what computes and what encodes are a thread each, two frames ahead of one another.
"""

from __future__ import annotations

from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from infra.errors import MediaError, ModelInvalidError
from models.metrics import luma, psnr, quantise
from models.precision import cpu_precision
from models.resample import downsample, upsample
from models.superresolution import SuperResolution
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.decode import Sampled, Scale, frames
from tasks.generation.requests import Made
from tasks.superresolution.other_cameras import OtherCameras, read_in_time
from tasks.training.ahead import ahead
from tasks.training.served_network import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.applications.super_resolution import SuperResolve
    from tasks.clocks.clock import CameraClock
    from tasks.generation.requests import CameraSource, Request

    Pixels = npt.NDArray[np.uint8]

# Above this many pixels of the source a step is made in bands of so many rows.
WHOLE_PIXELS, BAND = 1280 * 720, 128


@dataclass(slots=True)
class _Tally:
    """Sums of quality over the frames that went by."""

    ours: list[float] = field(default_factory=list)
    bicubic: list[float] = field(default_factory=list)

    def report(self, *, compared: bool) -> dict[str, float | str]:
        ours = round(float(np.mean(self.ours)), 4)
        if not compared:
            # No truth at this size: how well the video, brought down again, equals its source.
            return {"reference": "source", "consistency_psnr_y": ours}
        return {
            "reference": "truth",
            "psnr_y": ours,
            "bicubic_psnr_y": round(float(np.mean(self.bicubic)), 4),
        }


class SuperResolutionMaker(Maker):
    """Holds a loaded network; `make` makes one video."""

    def __init__(self, model_folder: str, asked: SuperResolve) -> None:
        model = load_network(model_folder, SuperResolution)
        is_, wanted = model.config, (asked.scale, asked.references)
        if (is_.scale, is_.reference) != wanted:
            raise ModelInvalidError(
                f"The model enlarges x{is_.scale}{_with(is_.reference)}; "
                f"x{asked.scale}{_with(asked.references)} was asked for.",
                command=f"stillhouse show models {asked.model}",
            )
        self._model = model
        self._input_side, self._tile = asked.input_side, asked.tile
        self._precision = cpu_precision()
        self._scale: int = is_.scale

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: the source cannot be read.
        """
        source, s = request.sources[0], self._scale
        clip = source.clip
        width, height = low_size(source.size, self._input_side, s)
        compared = self._input_side is not None
        # Where a truth exists the source is read at the output's size and brought down by the
        # antialiased cubic the model was trained with; else it is read as it is.
        size = (width * s, height * s) if compared else (width, height)
        scale = Scale("frame", *size, "rgb24")
        tally, shown = _Tally(), _Shown()
        comparison = Comparison(clip.span.duration_ns)
        given = frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts)
        others = self._others(request.sources, width / source.size[0])
        lows = self._lows(given, shown, others, clip.clock, compared=compared)

        def video(lows: Iterator[torch.Tensor]) -> Iterator[tuple[Pixels, int]]:
            # A new thread would take as many of its own as there are cores.
            torch.set_num_threads(torch.get_num_threads())
            with torch.inference_mode():
                for made in self._model.stream(
                    lows,
                    precision=self._precision,
                    references=None if others is None else shown.references(),
                    rows=self._tile or rows_at_once(width, height),
                ):
                    one = shown.pop()
                    picture = made.clamp(0, 1)
                    self._measure(picture, one.frame, one.low, tally, compared=compared)
                    pixels, t_ns = _to_bytes(picture), one.t_ns - clip.recording_span.start_ns
                    if comparison.wants(t_ns):
                        comparison.add(self._panels(one) | {"made": pixels})
                    yield pixels, t_ns

        with closing(ahead(lows)) as ready, closing(ahead(video(ready))) as made:
            written = write(request, made, audio=sound_of(source))
        quality = tally.report(compared=compared)
        if others is not None:
            quality["referenced"] = round(shown.covered / written.frames, 4)
        return Made(
            written,
            width * s,
            height * s,
            quality=quality,
            picture=comparison.write(request),
        )

    def _panels(self, one: _Frame) -> dict[str, Pixels]:
        """Return what people see beside the made picture."""
        bicubic = upsample(one.low, self._scale).clamp(0, 1)
        panels = {"source": _to_bytes(one.low), "bicubic": _to_bytes(bicubic)}
        if one.reference is not None:
            panels["other camera, where believed"] = _to_bytes(one.reference[:3])
        return panels

    def _others(self, sources: tuple[CameraSource, ...], shrink: float) -> OtherCameras | None:
        """Return the other cameras, each brought down by as much as ours was."""
        if not self._model.config.reference:
            return None
        return OtherCameras(
            [
                partial(read_in_time, one.clip, even(*(round(n * shrink) for n in one.size)))
                for one in sources[1:]
            ]
        )

    def _lows(
        self,
        source: Iterator[Sampled],
        shown: _Shown,
        others: OtherCameras | None,
        clock: CameraClock,
        *,
        compared: bool,
    ) -> Iterator[torch.Tensor]:
        torch.set_num_threads(torch.get_num_threads())
        empty = True
        for found in source:
            empty = False
            pixels = torch.from_numpy(found.images["frame"]).permute(2, 0, 1).float() / 255
            low = quantise(downsample(pixels, self._scale)) if compared else pixels
            reference = None
            if others is not None:
                enlarged = _to_bytes(upsample(low, self._scale).clamp(0, 1))
                reference = others.at(enlarged, clock.to_session(found.t_ns)).tensor()
            shown.push(_Frame(pixels, low, found.t_ns, reference))
            yield low
        if empty:
            raise MediaError("no frame of this clip decodes", reason="no_frames")

    def _measure(
        self,
        made: torch.Tensor,
        frame: torch.Tensor,
        low: torch.Tensor,
        tally: _Tally,
        *,
        compared: bool,
    ) -> None:
        if compared:
            truth = luma(frame)
            tally.ours.append(float(psnr(luma(quantise(made)), truth)))
            bicubic = quantise(upsample(low, self._scale).clamp(0, 1))
            tally.bicubic.append(float(psnr(luma(bicubic), truth)))
        else:
            back = quantise(downsample(made, self._scale).clamp(0, 1))
            tally.ours.append(float(psnr(luma(back), luma(frame))))


class _Frame(NamedTuple):
    """One frame: as it was read, as the model is given it, and what another camera shows."""

    frame: torch.Tensor
    low: torch.Tensor
    t_ns: int
    reference: torch.Tensor | None


class _Shown:
    """Frames that went into the model and have not come out: it looks one frame ahead."""

    def __init__(self) -> None:
        self._held: deque[_Frame] = deque()
        self.covered = 0.0  # sum over the frames of the share that a reference was valid for

    def push(self, frame: _Frame) -> None:
        self._held.append(frame)
        if frame.reference is not None:
            self.covered += float(frame.reference[3].mean())

    def pop(self) -> _Frame:
        return self._held.popleft()

    def references(self) -> Iterator[torch.Tensor | None]:
        """Yield that of the frame which is made next."""
        while True:
            yield self._held[0].reference


def rows_at_once(width: int, height: int) -> int | None:
    """Return the rows of a band for a picture of that size, None if it is worked on whole."""
    return BAND if width * height > WHOLE_PIXELS else None


def _with(reference: bool) -> str:  # noqa: FBT001 - it is what is told
    return " with references" if reference else ""


def low_size(size: tuple[int, int], input_side: int | None, scale: int) -> tuple[int, int]:
    """Return the width and height the model is given, even so that any codec takes the result."""
    if input_side is None:
        return size
    # Never above what the source can serve as truth for.
    shrink = min(input_side / min(size), 1 / scale)
    width, height = (max(2, round(side * shrink) // 2 * 2) for side in size)
    return width, height


def _to_bytes(picture: torch.Tensor) -> Pixels:
    # (3, H, W) 0..1 -> (H, W, 3) uint8
    found: Pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()
    return found
