"""Judges a super-resolution model under damage, one cell at a time.

Reads held-out clips from the archive and the model's files; writes nothing. The small pictures are
damaged, not the truth: what is asked is whether the model enlarges damaged footage no worse than
a cubic does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from models.metrics import crop_border, luma, psnr, quantise
from models.precision import cpu_precision
from models.superresolution import SuperResolution
from tasks.damage.corruptions import Footage, corruption_named, damage
from tasks.damage.timing import held
from tasks.judging.baselines import SUPER_RESOLUTION
from tasks.judging.window_score import MODEL
from tasks.robustness.cells import Scores, rows_of
from tasks.superresolution.degradations import bi, to_tensor
from tasks.training.served_network import load_network
from tasks.windows.pixel_windows import heldout_clips

if TYPE_CHECKING:
    from torch import Tensor

    from tasks.judging.heldout import Sized
    from tasks.robustness.cells import Cell
    from tasks.superresolution.evaluate import HeldOut

APPLICATION = "super-resolution"
# Frames of a clip that are enlarged: half of what promotion judges, since each cell does it again.
FRAMES = 12


@dataclass(frozen=True, slots=True)
class PictureWork:
    """Everything a worker needs."""

    folder: str
    heldout: tuple[Sized, ...]
    clips_per_session: int


class PictureCells:
    """Holds the model, the clips, and what it scores on them undamaged."""

    def __init__(self, work: PictureWork) -> None:
        """Read clips and weights.

        Raises:
            ModelInvalidError: the files are not those of a super-resolution model.
            MediaError: no frame of a clip decodes.
        """
        import torch

        torch.set_num_threads(1)
        self._model = load_network(work.folder, SuperResolution)
        self._precision = cpu_precision()
        self._clips = list(heldout_clips(work.heldout, FRAMES, work.clips_per_session))
        self._names = {clip.session_id: clip.session_name for clip in self._clips}
        self._before = Scores()
        self._score(self._before, None)

    def run(self, cell: Cell, /) -> list[dict[str, Any]]:
        """Return the rows of one cell, without what says whose they are."""
        scores = Scores(absent={APPLICATION: "no clip is held out"})
        if corruption_named(cell.corruption).damage is None:
            scores.absent = {APPLICATION: "a clip is of one camera"}
        else:
            self._score(scores, cell)
        return rows_of(scores, self._before, self._names)

    def _score(self, scores: Scores, cell: Cell | None) -> None:
        taken: dict[tuple[str, str], int] = defaultdict(int)
        for clip in self._clips:
            taken[clip.clip_id, clip.camera_id] += 1
            piece = (clip.clip_id, 0, clip.camera_id, taken[clip.clip_id, clip.camera_id])
            for method, value in self._measured(clip, cell).items():
                scores.add(APPLICATION, clip.session_id, method, piece, value)

    def _measured(self, clip: HeldOut, cell: Cell | None) -> dict[str, float]:
        """Return luma PSNR against the undamaged frames, mean over frames, of each method."""
        scale = self._model.config.scale
        height, width = (side // scale * scale for side in clip.frames.shape[1:3])
        truth = clip.frames[:, :height, :width]
        small = bi(truth, scale)
        if cell is not None:
            one = corruption_named(cell.corruption)
            footage = Footage(clip.clip_id, clip.camera_id, tuple(range(len(small))))
            # Frames that are lost are shown as a player shows them: the last one stays.
            small = held(damage(small, one, one.level(cell.severity), footage))
        given = to_tensor(small)
        truths = [_measured(frame, scale) for frame in to_tensor(truth)]

        def mean(frames: list[Tensor]) -> float:
            pairs = zip(frames, truths, strict=True)
            return fmean(float(psnr(_measured(ours, scale), true)) for ours, true in pairs)

        found = {MODEL: mean(list(self._model.stream(given, precision=self._precision)))}
        for name, enlarge in SUPER_RESOLUTION.items():
            found[name] = mean([enlarge(frame, scale) for frame in given])
        return found


def _measured(rgb: Tensor, scale: int) -> Tensor:
    """(3, H, W) in about 0..1 -> luma of the 8-bit picture without its border."""
    return crop_border(luma(quantise(rgb)), scale)
