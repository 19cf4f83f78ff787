"""Judge synthesis on sessions it never saw, beside every baseline.

Reads pictures in memory and a model; returns scores, writes nothing. All methods are given the
same sources, aligned by the same code, and all answers are 8 bits.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.foreground import foreground_psnr, motion_mask
from models.metrics import luma, psnr, ssim
from tasks.synthesis.evaluation import MODEL, ORACLE, UNGUARDED, SynthesisEvaluation, SynthesisScore
from tasks.synthesis.fuser import Fuser
from tasks.synthesis.fusing import PLAIN
from tasks.synthesis.fusion_sources import CELLS, aligned, copies_of
from tasks.synthesis.interpolation import doubled
from tasks.synthesis.pools import usable_steps
from tasks.synthesis.rate_conversion import Sources, plain_between, rate_sources
from tasks.synthesis.view_sources import view_sources
from tasks.windows.pictures import backgrounds, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from models.synthesis import Synthesis
    from tasks.judging.window_baselines import ViewBaselines
    from tasks.synthesis.alignment import Pixels
    from tasks.synthesis.material import Piece
    from tasks.windows.pictures import Ints, WindowPictures

# Frames of a clip that are judged, evenly from within.
JUDGED = 3


def evaluate_synthesis(
    model: Synthesis,
    pieces: Sequence[Piece],
    rigs: Sequence[WindowPictures],
    baselines: ViewBaselines | None,
    cells: Sequence[str] = tuple(CELLS),
) -> SynthesisEvaluation:
    """Score fusion in some cells, moments between frames, and missing cameras of rigs.

    Raises:
        MissingBaselineError: there is nothing to judge.
    """
    fuser = Fuser(model)
    names = {piece.session_id: piece.session_name for piece in pieces}
    scores: list[SynthesisScore] = []
    for piece in pieces:
        for cell in cells:
            scores += fusion_scores(fuser, piece, cell)
        scores += rate_scores(fuser, piece)
    if baselines is not None:
        scores += view_scores(fuser, rigs, baselines, names, "new rig", trained=False)
    return SynthesisEvaluation(fuser.precision, torch.get_num_threads(), tuple(scores))


def fusion_scores(fuser: Fuser, piece: Piece, cell: str) -> Iterator[SynthesisScore]:
    """Score every method on the bad copies of one cell."""
    wanted = CELLS[cell]
    truth, copies = copies_of(piece.frames, wanted, f"{piece.clip_id}/{piece.camera_id}")
    yield from of_copies(fuser, piece, cell, truth, aligned(copies), trained=wanted.trained)


def of_copies(
    fuser: Fuser,
    piece: Piece,
    cell: str,
    truth: Pixels,
    copies: Sequence[Sources],
    *,
    trained: bool,
) -> Iterator[SynthesisScore]:
    """Score every method on sources (T, H, W, 3) that are aligned."""
    at = judged(len(truth))
    made: dict[str, list[Pixels]] = {}
    fused = []
    for t in at:
        moment = Sources(
            np.stack([one.pictures[t] for one in copies]),
            np.stack([one.trust[t] for one in copies]),
        )
        found = fuser.fuse(moment, "fuse")
        fused.append(found.fused)
        shown = {name: plain(*moment) for name, plain in PLAIN.items()}
        shown |= {MODEL: found.guarded, UNGUARDED: found.unguarded}
        shown |= {f"source {k}": one for k, one in enumerate(moment.pictures)}
        for name, picture in shown.items():
            made.setdefault(name, []).append(picture)
    truth_of = Truths(truth, at)
    measured = {name: truth_of.measures(some) for name, some in made.items()}
    # The oracle knows which copy as a whole is the nearest to the truth.
    singles = [name for name in measured if name.startswith("source ")]
    best = max(singles, key=lambda name: measured[name]["psnr_y"])
    measured[ORACLE] = measured[best]
    for name in singles:
        del measured[name]
    yield from _rows(piece, "fuse", cell, measured, len(at), fmean(fused), trained=trained)


def rate_scores(fuser: Fuser, piece: Piece) -> Iterator[SynthesisScore]:
    """Score every method on odd frames made from the even ones around them."""
    even = piece.frames[::2]
    if len(piece.frames) < 5:
        return
    interpolated = doubled(list(even))
    # Frames before and after those judged are there: minterpolate gives nothing at the ends.
    odd = [2 * k + 1 for k in range(1, len(even) - 2) if 2 * k + 1 in interpolated]
    if not odd:
        return
    at = np.array(odd)[judged(len(odd))]
    made: dict[str, list[Pixels]] = {}
    fused = []
    for k in at:
        sources = rate_sources(piece.frames[k - 1], piece.frames[k + 1])
        found = fuser.fuse(sources, "rate")
        fused.append(found.fused)
        shown = {**plain_between(sources), "minterpolate": interpolated[int(k)]}
        shown |= {MODEL: found.guarded, UNGUARDED: found.unguarded}
        for name, picture in shown.items():
            made.setdefault(name, []).append(picture)
    truth_of = Truths(piece.frames, at)
    measured = {name: truth_of.measures(some) for name, some in made.items()}
    yield from _rows(piece, "rate", "x2", measured, len(at), fmean(fused), trained=False)


def view_scores(
    fuser: Fuser,
    rigs: Sequence[WindowPictures],
    baselines: ViewBaselines,
    names: Mapping[str, str],
    cell: str,
    *,
    trained: bool,
) -> Iterator[SynthesisScore]:
    """Score every method on each camera of rigs in turn, made from the others at a few instants."""
    from tasks.synthesis.material import Piece

    still = backgrounds(rigs)
    for rig in rigs:
        for camera in rig.lit():
            steps = np.array(list(spread([("", s) for s in usable_steps(rig, camera)], JUDGED)))
            others = rig.others(camera)
            if not len(steps) or not others:
                continue
            made = {
                name: list(frames.transpose(0, 2, 3, 1))
                for name, frames in baselines.made(rig, camera, others, steps).items()
            }
            fused = []
            for step in steps:
                sources = view_sources(baselines, rig, camera, others, int(step))
                found = fuser.fuse(sources, "view")
                fused.append(found.fused)
                made.setdefault(MODEL, []).append(found.guarded)
                made.setdefault(UNGUARDED, []).append(found.unguarded)
            background = still[rig.session_id, rig.cameras[camera]].transpose(1, 2, 0)
            truth = rig.frames[camera].transpose(0, 2, 3, 1)
            truth_of = Truths(truth, steps, background)
            measured = {name: truth_of.measures(some) for name, some in made.items()}
            name = names.get(rig.session_id, rig.session_id)
            piece = Piece(rig.session_id, name, rig.clip_id, rig.cameras[camera], truth)
            yield from _rows(
                piece, "view", cell, measured, len(steps), fmean(fused), trained=trained
            )


class Truths:
    """True frames (T, H, W, 3) at some places, their luma, and where something moves in them."""

    def __init__(self, frames: Pixels, at: Ints, still: Pixels | None = None) -> None:
        """Take what stands still from all the frames, unless it is known."""
        whole = _luma(frames)
        self._luma = whole[torch.from_numpy(at)]
        median = whole.median(dim=0).values if still is None else _luma(still[None])[0]
        self._moved = motion_mask(self._luma, median)

    def measures(self, ours: Sequence[Pixels]) -> dict[str, float]:
        """Return means over frames of PSNR and SSIM, and PSNR where something moves."""
        grey = _luma(np.stack(ours))
        return {
            "psnr_y": float(psnr(grey, self._luma).mean()),
            "ssim_y": float(ssim(grey, self._luma).mean()),
            "fg_psnr": float(foreground_psnr(grey, self._luma, self._moved)),
        }


def judged(count: int, most: int = JUDGED) -> Ints:
    """Return which of `count` frames are judged, evenly from within."""
    taken = min(most, count)
    return np.asarray(((np.arange(taken) + 0.5) * count / taken).astype(np.int64))


def _luma(frames: Pixels) -> torch.Tensor:
    return luma(torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255)


def _rows(
    piece: Piece,
    task: str,
    cell: str,
    measured: Mapping[str, Mapping[str, float]],
    frames: int,
    fused: float,
    *,
    trained: bool,
) -> Iterable[SynthesisScore]:
    for method, values in measured.items():
        moved = values["fg_psnr"]
        yield SynthesisScore(
            session_id=piece.session_id,
            session_name=piece.session_name,
            clip_id=piece.clip_id,
            camera_id=piece.camera_id,
            task=task,
            cell=cell,
            trained=trained,
            method=method,
            frames=frames,
            psnr_y=values["psnr_y"],
            ssim_y=values["ssim_y"],
            fg_psnr=None if math.isnan(moved) else moved,
            fused=fused if method == MODEL else None,
        )
