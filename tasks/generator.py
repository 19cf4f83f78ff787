"""The worker of generation: reads a clip, runs the model over it, writes the video.

Runs inside a Ray actor and does not know it. Memory does not grow with the clip: frames stream
through the network into the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import MediaError
from models import weights
from models.metrics import luma, psnr, quantise
from models.precision import cpu_precision
from models.resample import downsample, upsample
from models.superresolution import SuperResolution
from tasks.decode import Sampled, Scale, frames
from tasks.mux import AudioCopy, write_video
from tasks.requests import Made, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

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


class Generator:
    """Holds a loaded model; `run` makes one video."""

    def __init__(self, model_folder: str) -> None:
        torch.set_num_threads(1)
        model = weights.load(Path(model_folder))
        if not isinstance(model, SuperResolution):
            raise TypeError(f"{type(model).__name__} is not a super-resolution model")
        self._model = model
        self._precision = cpu_precision()
        self._scale: int = model.config.scale

    def run(self, request: Request) -> Made | MediaError:
        """Make one video; a source that cannot be read comes back as the reason."""
        try:
            return self._make(request)
        except MediaError as refused:
            return refused

    def _make(self, request: Request) -> Made:
        clip, s = request.clip, self._scale
        width, height = low_size(request, s)
        compared = request.input_side is not None
        # Where a truth exists the source is read at the output's size and brought down by the
        # antialiased cubic the model was trained with; else it is read as it is.
        size = (width * s, height * s) if compared else (width, height)
        scale = Scale("frame", *size, "rgb24")
        tally, shown = _Tally(), _Shown()
        source = frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts)
        lows = self._lows(source, shown, compared=compared)

        def video() -> Iterator[tuple[Pixels, int]]:
            with torch.inference_mode():
                for made in self._model.stream(lows, precision=self._precision):
                    frame, low, t_ns = shown.pop()
                    picture = made.clamp(0, 1)
                    self._measure(picture, frame, low, tally, compared=compared)
                    yield _to_bytes(picture), t_ns - clip.recording_span.start_ns

        Path(request.target).parent.mkdir(parents=True, exist_ok=True)
        written = write_video(
            Path(request.target),
            video(),
            rate=Fraction(*request.rate) if all(request.rate) else 25,
            time_base=request.time_base,
            color_space=request.color_space,
            color_range=request.color_range,
            audio=AudioCopy(clip.source, clip.recording_span, clip.start_pts),
        )
        return Made(
            bytes=written.bytes,
            digest=written.digest,
            width=width * s,
            height=height * s,
            frames=written.frames,
            has_audio=written.has_audio,
            quality=tally.report(compared=compared),
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


def low_size(request: Request, scale: int) -> tuple[int, int]:
    """Return the width and height the model is given, even so that any codec takes the result."""
    if request.input_side is None:
        return request.width, request.height
    # Never above what the source can serve as truth for.
    shrink = min(request.input_side / min(request.width, request.height), 1 / scale)
    width, height = (
        max(2, round(side * shrink) // 2 * 2) for side in (request.width, request.height)
    )
    return width, height


def _to_bytes(picture: torch.Tensor) -> Pixels:
    # (3, H, W) 0..1 -> (H, W, 3) uint8
    found: Pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()
    return found
