"""What synthesis gains on real footage: `eval_synthesis.py --home HOME [--model DIR]`.

Fuses three bad copies of held-out clips in every cell, makes the moment between two frames, and
the picture of a missing camera; prints every baseline beside the network for each held-out session,
and the no-harm rates, damage that training saw and damage that it did not apart. Without `--model`
the network is trained first, by the preset, on the home's own split. Reads a home; writes the
weights to `--keep` and a picture to `--picture`, if asked. LPIPS of what is fused is printed where
its weights are here (`perceptual.py`); VMAF is not, as three frames of a clip are judged, no video.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from perceptual import lpips_of
from plainly import plainly, require_footage

from catalog.query import rows
from catalog.store import Catalog
from infra.settings import load_settings
from models import weights
from models.synthesis import Synthesis
from tasks.judging.window_baselines import ViewBaselines
from tasks.recordings.sources import clip_source
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.superresolution.degradations import to_tensor
from tasks.synthesis.evaluate import evaluate_synthesis, of_copies, view_scores
from tasks.synthesis.evaluate import judged as judged_frames
from tasks.synthesis.evaluation import UNGUARDED, SynthesisEvaluation
from tasks.synthesis.fuser import Fuser
from tasks.synthesis.fusing import PLAIN
from tasks.synthesis.fusion_sources import CELLS, aligned, copies_of
from tasks.synthesis.material import Piece, pieces, read_piece, rig_pictures, shown_at
from tasks.synthesis.picture import synthesis_picture
from tasks.synthesis.pools import fusion_pool, rate_pool, view_pool
from tasks.synthesis.presets import PRESETS, preset_named
from tasks.synthesis.rate_conversion import Sources
from tasks.synthesis.recipe import FRAMES, PCA_FLOATS, RIG_CLIPS, TRAIN_CLIPS
from tasks.synthesis.train import train_synthesis, turns_of
from tasks.synthesis.view_sources import onto
from tasks.training.schedule import finished
from tasks.windows.clip_index import indexed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perceptual import Lpips

    from tasks.recordings.sources import ClipSource
    from tasks.synthesis.evaluation import SynthesisScore

MEASURES = ("psnr_y", "ssim_y", "fg_psnr")


def main() -> None:
    """Train unless there is a model, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--model", type=Path, help="a folder with weights")
    parser.add_argument("--preset", default="laptop", choices=sorted(PRESETS))
    parser.add_argument("--clips", type=int, default=1, help="of each held-out session")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--assets", type=Path, help="those of the home, if not given")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(asked.home)
    snapshot = Catalog(settings.catalog).snapshot()
    sides: dict[str, list[ClipSource]] = {TRAIN: [], HELDOUT: []}
    for row in rows(snapshot, "clip_sources", {}):
        sides[row["split"]].append(clip_source(row))
    require_footage(asked.home, sides[TRAIN], sides[HELDOUT])
    index = {
        one.clip_id: one for side in sides for one in indexed(snapshot, side, settings.grid_step_ns)
    }
    rigs = rig_pictures(sides[TRAIN], index, RIG_CLIPS)
    # The first clips of training rigs tell what is known of them, the last is another time.
    later = {
        name: max((r for r in rigs if r.session_id == name), key=rigs.index)
        for name in {
            r.session_id for r in rigs if sum(o.session_id == r.session_id for o in rigs) > 1
        }
    }
    earlier = [one for one in rigs if one is not later.get(one.session_id)]
    baselines = ViewBaselines(earlier, PCA_FLOATS)
    if asked.model:
        model = weights.load(asked.model)
    else:
        model = _trained(asked.preset, sides[TRAIN], earlier, baselines)
    if not isinstance(model, Synthesis):
        raise SystemExit(f"{asked.model} holds a {type(model).__name__}")
    if asked.keep:
        weights.save(asked.keep, model)
    judged = pieces(sides[HELDOUT], FRAMES, asked.clips)
    heldout = rig_pictures(sides[HELDOUT], index, 2)
    started = time.monotonic()
    found = evaluate_synthesis(model, judged, heldout, baselines, asked.cells)
    fuser = Fuser(model)
    names = {clip.session_id: clip.session_name for clip in sides[TRAIN]}
    more = list(
        view_scores(
            fuser, list(later.values()), baselines, names, "rig at a later time", trained=True
        )
    )
    more += list(_with_other_cameras(fuser, sides[HELDOUT], asked.clips))
    found = SynthesisEvaluation(found.precision, found.threads, (*found.scores, *more))
    _print(found)
    net, said = lpips_of(asked.assets or settings.assets)
    print(f"\n{said}")
    if net is not None:
        _print_lpips(fuser, judged, asked.cells, net)
    print(f"judged in {time.monotonic() - started:.0f} s, {found.precision}")
    if asked.picture:
        cv2.imwrite(str(asked.picture), synthesis_picture(model, judged)[..., ::-1])


def _trained(
    preset: str, clips: Sequence[ClipSource], rigs: Sequence[object], baselines: ViewBaselines
) -> Synthesis:
    chosen = preset_named(preset)
    rng = np.random.default_rng(chosen.seed)
    seen = pieces(clips, FRAMES, TRAIN_CLIPS)
    pools = {
        "fuse": fusion_pool(seen, chosen.pictures, chosen.copies, rng),
        "rate": rate_pool(seen, chosen.pictures, rng),
        "view": view_pool(rigs, baselines, chosen.pictures, rng),
    }
    trained = finished(train_synthesis(pools, chosen))
    print(f"trained {turns_of(pools, chosen.steps)} steps in {trained.seconds:.0f} s")
    model: Synthesis = trained.model()
    return model


def _with_other_cameras(
    fuser: Fuser, clips: Sequence[ClipSource], per_session: int
) -> Iterator[SynthesisScore]:
    """A camera with noise, and the clean other cameras of its session brought onto it."""
    takes: dict[str, list[ClipSource]] = {}
    for clip in clips:
        takes.setdefault(clip.clip_id, []).append(clip)
    taken: dict[str, int] = {}
    for cameras in takes.values():
        first, *others = cameras
        if not others or taken.get(first.session_id, 0) >= per_session:
            continue
        taken[first.session_id] = taken.get(first.session_id, 0) + 1
        piece: Piece = read_piece(first, FRAMES)
        truth, copies = copies_of(piece.frames, CELLS["gauss"], piece.clip_id)
        count, size = len(truth), (truth.shape[2], truth.shape[1])
        step = first.span.duration_ns // count
        sources = [copies[2]]
        for other in others:
            begin = other.recording_span.start_ns
            seen = shown_at(other, [begin + step * k for k in range(count)], size)
            moved = onto(copies[2].pictures, np.stack([seen[k] for k in range(count)]))
            sources.append(Sources(moved.pictures, moved.trust))
        yield from of_copies(fuser, piece, "other cameras", truth, sources, trained=False)


def _print_lpips(fuser: Fuser, pieces: Sequence[Piece], cells: Sequence[str], net: Lpips) -> None:
    """Print LPIPS of every way to fuse, lower is nearer, mean over sessions and judged frames."""
    shown: dict[str, dict[str, dict[str, list[float]]]] = {}
    for piece, cell in product(pieces, cells):
        truth, bad = copies_of(piece.frames, CELLS[cell], f"{piece.clip_id}/{piece.camera_id}")
        copies = aligned(bad)
        for t in judged_frames(len(truth)):
            moment = Sources(
                np.stack([one.pictures[t] for one in copies]),
                np.stack([one.trust[t] for one in copies]),
            )
            fused = fuser.fuse(moment, "fuse")
            made = {"model": fused.guarded, UNGUARDED: fused.unguarded}
            made |= {name: plain(*moment) for name, plain in PLAIN.items()}
            apart = net(
                *(to_tensor(np.stack(x)) for x in (list(made.values()), [truth[t]] * len(made)))
            )
            for name, value in zip(made, apart.tolist(), strict=True):
                by_session = shown.setdefault(cell, {}).setdefault(name, {})
                by_session.setdefault(piece.session_id, []).append(value)
    names = list(next(iter(shown.values())))
    print("fuse, LPIPS, mean over sessions")
    print(f"{'cell':22}" + "".join(f"{name:>13}" for name in names))
    for cell, found in shown.items():
        means = (fmean(map(fmean, found[name].values())) for name in names)
        print(f"{cell:22}" + "".join(f"{value:13.3f}" for value in means))


def _print(found: SynthesisEvaluation) -> None:
    names = {score.session_id: score.session_name for score in found.scores}
    for task in found.tasks:
        methods = found.methods(task)
        for measure in MEASURES:
            print(f"\n{task}, {measure}, mean over sessions")
            print(f"{'cell':22}" + "".join(f"{name:>13}" for name in methods))
            for cell in found.cells(task):
                values = (found.mean(task, (cell,), name, measure) for name in methods)
                print(f"{cell:22}" + "".join(f"{value:13.3f}" for value in values))
        print(f"\n{task}, no-harm rate of model and unguarded, share that is fused")
        for cell in found.cells(task):
            kept = [
                found.no_harm_rate(task, (cell,), name)
                for name in ("model", UNGUARDED, methods[-2])
            ]
            share = found.mean(task, (cell,), "model", "fused")
            print(f"{cell:22}{kept[0]:8.2f}{kept[1]:8.2f}{share:8.2f}")
        print(f"\n{task}, held-out sessions one by one, psnr_y | fg_psnr, no-harm rate")
        for session, name in names.items():
            for seen, said in ((True, "seen"), (False, "unseen")):
                cells = found.cells(task, trained=seen)
                values = [found.mean(task, cells, m, "psnr_y", session) for m in methods]
                moved = [found.mean(task, cells, m, "fg_psnr", session) for m in methods]
                if np.isnan(values[0]):
                    continue
                rate = found.no_harm_rate(task, cells, "model", session)
                shown = " ".join(
                    f"{m}={a:.2f}|{b:.2f}" for m, a, b in zip(methods, values, moved, strict=True)
                )
                print(f"{name}, {said}: {shown}; no harm {rate:.2f}")
    for said in found.remarks():
        print(said)


if __name__ == "__main__":
    plainly(main)
