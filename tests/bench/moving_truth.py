"""The background model and the tracker against a synthetic archive's truth, beside plain peers.

Used by `eval_pose.py`. Peers have equal input: MOG2 sees the same luma twice (once to learn), the
plain tracker the same boxes, and gives each the id of the nearest box of the step before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.decode import Decoded, Limits, Source, decode_all, sample
from tasks.kernels.background import foreground
from tasks.kernels.overlap import overlaps
from tasks.kernels.sort_tracks import filled, follow
from tasks.synthetic.archive import ArchiveSpec, write_archive
from tasks.views.pictures import RGB224, luma112
from tasks.views.tracks import LEAST_AREA, blobs_of
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tasks.synthetic.truth import Truth

    Bools = npt.NDArray[np.bool_]
    Boxes = list[tuple[int, npt.NDArray[np.float64]]]

STEPS, GRID_NS, SIDE = 25, 80_000_000, 56
# Nearest by the middle, and no farther than this share of the picture.
NEAREST = 0.15


def judge_moving(folder: Path) -> None:
    """Print IoU of masks, and coverage and switches of tracks, over several seeds."""
    masks: dict[str, list[float]] = {"ours": [], "MOG2": [], "nothing": []}
    said = {"still": [0, 0], "moving": [0, 0]}
    followed: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for seed in range(3):
        truth = write_archive(
            folder.with_name(f"{folder.name}-{seed}"),
            ArchiveSpec(seed=seed, take_frames=75, single_frames=75),
        )
        for member, luma, frames in clips(truth):
            shot = truth.recordings[member].shots[0]
            still = "moving" if shot.camera.orbit else "still"
            found = foreground(luma, np.ones(STEPS, bool))
            said[still][0] += found.absent is None
            said[still][1] += 1
            ids = [truth.objects_truth(member, frame) for frame in frames]
            real = [small(one > 0) for one in ids]
            if found.absent is None and still == "still":
                masks["ours"] += [iou(small(a), b) for a, b in zip(found.masks, real, strict=True)]
                masks["MOG2"] += [iou(small(a), b) for a, b in zip(mog2(luma), real, strict=True)]
                masks["nothing"] += [float(not one.any()) for one in real]
            boxes = [true_boxes(one) for one in ids]
            seen = {
                "true boxes": [np.array([b for _, b in one]).reshape(-1, 4) for one in boxes],
                "our blobs": [blobs_of(mask)[0] for mask in found.masks],
            }
            for given, each in seen.items():
                if given == "our blobs" and (found.absent or still == "moving"):
                    continue
                followed.setdefault((given, "SORT"), []).append(score(boxes, by_sort(each)))
                followed.setdefault((given, "nearest"), []).append(score(boxes, by_nearest(each)))
    print("\nmask IoU (median, mean), still cameras: " + ", ".join(
        f"{name} {np.median(one):.3f} {np.mean(one):.3f}" for name, one in masks.items()
    ))  # fmt: skip
    print("background known: " + ", ".join(f"{k} {a} of {b}" for k, (a, b) in said.items()))
    for (given, way), told in followed.items():
        hits, total, switches = np.sum(told, axis=0)
        print(f"{given:11} {way:8} coverage {hits / total:.3f}, id switches {switches} of {total}")


def clips(truth: Truth) -> Iterator[tuple[str, npt.NDArray[np.uint8], list[int]]]:
    """Yield recordings of one shot: name, luma (25, 112, 112), and the frame of each step."""
    for member, recording in truth.recordings.items():
        whole = recording.readable and recording.intact == recording.frames
        if not whole or len(recording.shots) > 1 or recording.rotation:
            continue
        source = Source(str(truth.folder / member))
        first = next(decode_all(source, Limits(pixels=1 << 24, frames=1 << 20)))
        assert isinstance(first, Decoded)
        times = [k * GRID_NS for k in range(STEPS)]
        found = sample(source, times, [RGB224], start_pts=first.pts)
        shown = np.stack([shot.images[RGB224.name] for shot in found for _ in shot.indices])
        luma = luma112(DecodedClip(np.array(times), np.ones(STEPS, bool), {RGB224.name: shown}))
        own = np.array(recording.times_ns)
        yield member, luma, [int(np.searchsorted(own, t, side="right")) - 1 for t in times]


def mog2(luma: npt.NDArray[np.uint8]) -> list[Bools]:
    """Return OpenCV's MOG2 on the second time round, without shadows.

    At its default background ratio of .9 whatever stays for 3 of 25 steps is background (IoU .02);
    .3 was the best of .9, .5 and .3, learning on or not.
    """
    model = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    model.setBackgroundRatio(0.3)
    for picture in luma:
        model.apply(picture)
    return [model.apply(picture, learningRate=0) > 0 for picture in luma]


def small(mask: Bools) -> Bools:
    """Return a mask in the 56 x 56 cells of the view, each as most of it is."""
    shares = cv2.resize(mask.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(shares > 0.5)


def iou(one: Bools, other: Bools) -> float:
    """Return the intersection over union; 1 if both are empty."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def true_boxes(ids: npt.NDArray[np.int16]) -> Boxes:
    """Return each object's number and box, 0 to 1, where it is large enough to be looked for."""
    height, width = ids.shape
    found = []
    for number in np.unique(ids[ids > 0]).tolist():
        rows, columns = np.nonzero(ids == number)
        if len(rows) >= LEAST_AREA * ids.size:
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            found.append((number, box / [width, height, width, height]))
    return found


def by_sort(each: list[npt.NDArray[np.float64]]) -> list[Boxes]:
    """Return ids and boxes at each step, by our tracker."""
    said: list[Boxes] = [[] for _ in each]
    for number, track in enumerate(follow(each, [np.ones(len(one)) for one in each]), start=1):
        for step, box in zip(*filled(track)[:2], strict=True):
            said[int(step)].append((number, box))
    return said


def by_nearest(each: list[npt.NDArray[np.float64]]) -> list[Boxes]:
    """Return ids and boxes at each step: the id of the nearest box of the step before, if near."""
    said: list[Boxes] = []
    before: Boxes = []
    last = 0
    for boxes in each:
        free = list(before)
        now: Boxes = []
        for box in boxes:
            far = [np.abs((old[:2] + old[2:] - box[:2] - box[2:]) / 2).max() for _, old in free]
            if far and min(far) < NEAREST:
                now.append((free.pop(int(np.argmin(far)))[0], box))
            else:
                last += 1
                now.append((last, box))
        said.append(now)
        before = now
    return said


def score(truth: list[Boxes], said: list[Boxes]) -> tuple[int, int, int]:
    """Return how many true boxes are covered by half, how many there are, and switches of id."""
    known: dict[int, int] = {}
    hits = total = switches = 0
    for real, found in zip(truth, said, strict=True):
        total += len(real)
        if not real or not found:
            continue
        common = overlaps(np.array([b for _, b in real]), np.array([b for _, b in found]))
        for k, (number, _) in enumerate(real):
            best = int(common[k].argmax())
            if common[k, best] >= 0.5:
                hits += 1
                switches += number in known and known[number] != found[best][0]
                known[number] = found[best][0]
    return hits, total, switches
