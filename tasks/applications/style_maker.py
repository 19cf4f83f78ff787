"""The worker of style transfer: reads a clip, paints it frame by frame, writes the video.

Memory does not grow with the clip: frames stream through the network into the encoder.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from infra.errors import MediaError, ModelInvalidError
from models.precision import autocast, cpu_precision
from models.style import StyleNet
from tasks.applications.application import Maker
from tasks.applications.video import Comparison, even, sound_of, write
from tasks.decode import Scale, frames
from tasks.generation.requests import Made
from tasks.style.scores import Motion, edge_ssim, unit
from tasks.training.served_network import load_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tasks.applications.style import Stylise
    from tasks.generation.requests import Request

    Pixels = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

# What is measured of each frame is measured of it at this height: flow takes 4 ms there.
MEASURED_HEIGHT = 128


class StyleMaker(Maker):
    """Holds a loaded network; `make` makes one video."""

    def __init__(self, model_folder: str, asked: Stylise) -> None:
        self._model, self._asked = load_network(model_folder, StyleNet), asked
        self._precision = cpu_precision()

    def make(self, request: Request) -> Made:
        """Make one video.

        Raises:
            MediaError: the source cannot be read.
        """
        source = request.sources[0]
        clip = source.clip
        width, height = painted_size(source.size, self._asked.side)
        code = self._code(request.given)
        scale = Scale("frame", width, height, "rgb24")
        comparison, tally = Comparison(clip.span.duration_ns), _Tally()
        given = frames(clip.source, clip.recording_span, (scale,), start_pts=clip.start_pts)

        def video() -> Iterator[tuple[Pixels, int]]:
            empty = True
            for found in given:
                empty = False
                frame = found.images["frame"]
                made = self._painted(frame, code)
                tally.add(frame, made)
                t_ns = found.t_ns - clip.recording_span.start_ns
                if comparison.wants(t_ns):
                    comparison.add({"source": frame, "painted": made})
                yield made, t_ns
            if empty:
                raise MediaError("no frame of this clip decodes", reason="no_frames")

        written = write(request, video(), audio=sound_of(source))
        quality = {"reference": "source", "style": self._asked.style, **tally.report()}
        return Made(written, width, height, quality, picture=comparison.write(request))

    def _code(self, given: list[float] | None) -> torch.Tensor:
        if given is not None:
            return torch.tensor(given, dtype=torch.float32)
        try:
            return self._model.code_of(self._asked.style).detach()
        except KeyError:
            raise ModelInvalidError(
                f"This network has no style {self._asked.style!r}; it has "
                f"{', '.join(self._model.config.names)}.",
                command="stillhouse distill --model style",
            ) from None

    @torch.inference_mode()
    def _painted(self, frame: Pixels, code: torch.Tensor) -> Pixels:
        """(H, W, 3) -> the same, painted and mixed with what was there."""
        rgb = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255
        with autocast(self._precision):
            made = self._model(rgb, code[None])
        mixed = torch.lerp(rgb, made, self._asked.strength)[0]
        pixels: Pixels = (mixed.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()
        return pixels


def painted_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Return the width and height of the video: even, as any codec takes them, and at least 8."""
    shrink = 1.0 if side is None else min(1.0, side / min(size))
    width, height = even(round(size[0] * shrink), round(size[1] * shrink))
    return max(8, width), max(8, height)


class _Tally:
    """How steady and how true to its source a video is; holds one frame."""

    def __init__(self) -> None:
        self._before: tuple[Pixels, Pixels] | None = None
        self._footage: list[float] = []
        self._made: list[float] = []
        self._edges: list[float] = []

    def add(self, frame: Pixels, made: Pixels) -> None:
        """Take the next frame and what was made of it."""
        small = _small(frame), _small(made)
        self._edges.append(edge_ssim(unit(small[1]), unit(small[0])))
        if self._before is not None:
            motion = Motion(self._before[0], small[0])
            for k, errors in enumerate((self._footage, self._made)):
                errors.append(motion.error(unit(self._before[k]), unit(small[k])))
        self._before = small

    def report(self) -> dict[str, float]:
        """Return means over the frames; without two frames there is no steadiness."""
        found = {"edge_ssim": round(fmean(self._edges), 4)}
        if self._footage and (still := fmean(self._footage)) > 0:
            found["warping_error_to_source"] = round(fmean(self._made) / still, 4)
        return found


def _small(frame: Pixels) -> Pixels:
    height, width = frame.shape[:2]
    size = max(16, round(width * MEASURED_HEIGHT / height)), MEASURED_HEIGHT
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
