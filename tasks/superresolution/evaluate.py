"""Judge a super-resolution model on sessions it never saw, beside bicubic and Lanczos.

Reads frames in memory and a model; returns an `Evaluation`, writes nothing. Model and baselines
enlarge the same small frames, and all are rounded to 8 bits before they are measured.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.metrics import change_error, crop_border, luma, psnr, quantise, ssim
from models.precision import cpu_precision
from tasks.judging.baselines import SUPER_RESOLUTION
from tasks.superresolution.degradations import DEGRADATIONS, to_tensor
from tasks.superresolution.evaluation import MODEL, Evaluation, Score
from tasks.superresolution.picture import sample_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    from torch import Tensor

    from models.precision import Precision
    from models.superresolution import SuperResolution

__all__ = ["Evaluation", "HeldOut", "evaluate_superresolution", "sample_picture"]


@dataclass(frozen=True)
class HeldOut:
    """A clip of one camera from a held-out session; frames (T, H, W, 3) rgb uint8, the truth."""

    session_id: str
    session_name: str
    clip_id: str
    camera_id: str
    frames: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what cannot be scored.

        Raises:
            ValueError: naming the shape and type found.
        """
        shape = self.frames.shape
        if len(shape) != 4 or shape[-1] != 3 or shape[0] < 2 or self.frames.dtype != np.uint8:
            raise ValueError(f"needs (T >= 2, H, W, 3) uint8, got {shape} {self.frames.dtype}")


def evaluate_superresolution(
    model: SuperResolution, clips: Iterable[HeldOut], *, precision: Precision | None = None
) -> Evaluation:
    """Score the model and every baseline on every degradation of every clip, all frames.

    `precision` is what this CPU is good at unless given; torch's thread count is left alone.
    About .1 s a frame of 288 x 512 on one core, most of it SSIM.

    Raises:
        MissingBaselineError: if there is no clip.
    """
    model.eval()
    chosen = precision or cpu_precision()
    scores: list[Score] = []
    for clip in clips:
        scores.extend(_score_clip(model, clip, chosen))
    return Evaluation(model.config.scale, chosen, torch.get_num_threads(), tuple(scores))


def _score_clip(model: SuperResolution, clip: HeldOut, precision: Precision) -> Iterator[Score]:
    scale = model.config.scale
    height, width = (side // scale * scale for side in clip.frames.shape[1:3])
    truth = clip.frames[:, :height, :width]
    truth_y = [_measured(frame, scale) for frame in to_tensor(truth)]
    for degradation, degrade in DEGRADATIONS.items():
        small = to_tensor(degrade(truth, scale))
        for method in (MODEL, *SUPER_RESOLUTION):
            enlarged = _enlarged(model, method, small, precision)
            yield _score(clip, degradation, method, enlarged, truth_y, scale)


def _enlarged(
    model: SuperResolution, method: str, small: Tensor, precision: Precision
) -> Iterator[Tensor]:
    if method == MODEL:
        return model.stream(small, precision=precision)
    enlarge = SUPER_RESOLUTION[method]
    return (enlarge(frame, model.config.scale) for frame in small)


def _score(
    clip: HeldOut,
    degradation: str,
    method: str,
    enlarged: Iterator[Tensor],
    truth_y: list[Tensor],
    scale: int,
) -> Score:
    seconds = 0.0
    psnrs, ssims, changes = [], [], []
    before: Tensor | None = None
    for k, truth in enumerate(truth_y):
        started = time.perf_counter()
        frame = next(enlarged)
        seconds += time.perf_counter() - started
        ours = _measured(frame, scale)
        psnrs.append(float(psnr(ours, truth)))
        ssims.append(float(ssim(ours, truth)))
        if before is not None:
            pair = torch.stack([before, ours]), torch.stack([truth_y[k - 1], truth])
            changes.append(float(change_error(*pair)))
        before = ours
    return Score(
        session_id=clip.session_id,
        session_name=clip.session_name,
        clip_id=clip.clip_id,
        camera_id=clip.camera_id,
        degradation=degradation,
        method=method,
        frames=len(truth_y),
        psnr_y=fmean(psnrs),
        ssim_y=fmean(ssims),
        change_error=fmean(changes),
        ms_per_frame=1e3 * seconds / len(truth_y),
    )


def _measured(rgb: Tensor, scale: int) -> Tensor:
    """(3, H, W) in about 0..1 -> luma of the 8-bit picture without its border."""
    return crop_border(luma(quantise(rgb)), scale)
