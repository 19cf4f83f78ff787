"""The worker of super-resolution: reads a clip, runs the network over it, writes the video.

Memory does not grow with the clip: frames stream
through the network into the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import MediaError, ModelInvalidError
from models import weights
from models.metrics import luma, psnr, quantise
from models.precision import cpu_precision
from models.resample import downsample, upsample
from models.superresolution import SuperResolution
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, sound_of, write
from tasks.decode import Sampled, Scale, frames
from tasks.requests import Made

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.applications.super_resolution import SuperResolve
    from tasks.requests import Request

    Pixels = npt.NDArray[np.uint8]


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
        model = weights.load(Path(model_folder))
        if not isinstance(model, SuperResolution):
            raise ModelInvalidError(
                f"{type(model).__name__} is not a super-resolution model.",
                command="stillhouse show models",
            )
        self._model = model
        self._input_side = asked.input_side
        self._precision = cpu_precision()
        self._scale: int = model.config.scale

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
        lows = self._lows(given, shown, compared=compared)

        def video() -> Iterator[tuple[Pixels, int]]:
            with torch.inference_mode():
                for made in self._model.stream(lows, precision=self._precision):
                    frame, low, t_ns = shown.pop()
                    picture = made.clamp(0, 1)
                    self._measure(picture, frame, low, tally, compared=compared)
                    pixels, t_ns = _to_bytes(picture), t_ns - clip.recording_span.start_ns
                    if comparison.wants(t_ns):
                        comparison.add({"source": _to_bytes(low), "made": pixels})
                    yield pixels, t_ns

        written = write(request, video(), audio=sound_of(source))
        return Made(
            written,
            width * s,
            height * s,
            quality=tally.report(compared=compared),
            picture=comparison.write(request),
        )

    def _lows(
        self, source: Iterator[Sampled], shown: _Shown, *, compared: bool
    ) -> Iterator[torch.Tensor]:
        empty = True
        for found in source:
            empty = False
            pixels = torch.from_numpy(found.images["frame"]).permute(2, 0, 1).float() / 255
            low = quantise(downsample(pixels, self._scale)) if compared else pixels
            shown.push(pixels, low, found.t_ns)
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


class _Shown:
    """Frames that went into the model and have not come out: it looks one frame ahead."""

    def __init__(self) -> None:
        self._held: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def push(self, frame: torch.Tensor, low: torch.Tensor, t_ns: int) -> None:
        self._held.append((frame, low, t_ns))

    def pop(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        return self._held.pop(0)


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
