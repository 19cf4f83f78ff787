"""How well the view *flow* is right: `python tests/bench/eval_flow.py`.

Endpoint error against the known motion of generated archives (textured balls and boxes in a
textured room, coded as H.264 and decoded again), beside standing still, Farneback's method, and
the other presets of DIS. Pixels of the 112 px picture per grid step of 80 ms; milliseconds a step
on one thread. *Moving* are cells that truly move by more than half a pixel.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.decode import Source, sample
from tasks.synthetic.archive import ArchiveSpec, write_archive
from tasks.synthetic.world import World
from tasks.views.flow import CELLS, QUARTER, SIDE, new_search
from tasks.views.pictures import RGB224, luma112
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tasks.synthetic.truth import Truth

    Field = npt.NDArray[np.float32]

STEP_NS, STEPS, SEEDS = 80_000_000, 24, (0, 1, 2)


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    methods = {
        "standing still": lambda a, _: np.zeros((*a.shape, 2), np.float32),
        "Farneback": lambda a, b: cv2.calcOpticalFlowFarneback(
            a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0
        ),
        "DIS (the view)": of(new_search()),
        "DIS ultrafast": dis(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST),
        "DIS fast": dis(cv2.DISOPTICAL_FLOW_PRESET_FAST),
        "DIS medium": dis(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM),
    }
    pairs = [pair for seed in SEEDS for pair in pairs_of(seed)]
    print(f"flow, {len(pairs)} steps of {len(SEEDS)} generated archives, {SIDE} px")
    print(f"  {'':22}{'EPE':>7}{'moving':>9}{'still':>8}{'ms':>8}")
    for name, method in methods.items():
        off, moving, spent = [], [], 0.0
        for before, after, truth, seen in pairs:
            started = time.thread_time()
            field = method(before, after)
            cells = cv2.resize(field, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            spent += time.thread_time() - started
            cells = np.rint(cells / QUARTER).clip(-127, 127) * QUARTER
            off.append(np.hypot(*np.moveaxis(cells - truth, -1, 0))[seen])
            moving.append(np.hypot(*np.moveaxis(truth, -1, 0))[seen] > 0.5)
        error, moves = np.concatenate(off), np.concatenate(moving)
        print(
            f"  {name:22}{error.mean():7.2f}{error[moves].mean():9.2f}"
            f"{error[~moves].mean():8.2f}{1e3 * spent / len(pairs):8.2f}"
        )


def dis(preset: int) -> Callable[[Field, Field], Field]:
    """Return DIS with a preset."""
    return of(cv2.DISOpticalFlow.create(preset))


def of(flow: cv2.DISOpticalFlow) -> Callable[[Field, Field], Field]:
    """Return what computes flow from one picture to the next."""
    return lambda a, b: flow.calc(a, b, None)


def pairs_of(seed: int) -> list[tuple[Field, Field, Field, npt.NDArray[np.bool_]]]:
    """Return (luma, next luma, true flow (28, 28, 2), where it is known) of some recordings."""
    found = []
    with tempfile.TemporaryDirectory(prefix="stillhouse-eval-") as folder:
        truth = write_archive(Path(folder) / "archive", ArchiveSpec(seed=seed))
        for member, one in truth.recordings.items():
            steady = one.readable and not one.rotation and not one.is_vfr and not one.flashes
            if not steady or len(one.shots) != 1 or one.frames < 2 * STEPS:
                continue
            times = [one.times_ns[0] + k * STEP_NS for k in range(STEPS)]
            source = Source(str(truth.folder / member))
            shown = {}
            for frame in sample(source, times, [RGB224], start_pts=0):
                shown |= dict.fromkeys(frame.indices, frame.images[RGB224.name])
            pictures = np.stack([shown[k] for k in range(STEPS)])
            present = np.ones(STEPS, bool)
            luma = luma112(DecodedClip(np.array(times), present, {RGB224.name: pictures}))
            found += [
                (luma[k], luma[k + 1], *known(truth, member, times[k]))
                for k in range(len(times) - 1)
            ]
    return found


def known(truth: Truth, member: str, t_ns: int) -> tuple[Field, npt.NDArray[np.bool_]]:
    """Return the motion from an instant to the next step, averaged over the view's cells."""
    one = truth.recordings[member]
    shot, now = one.shots[0], t_ns + one.offset_ns
    world = World(shot.seed)
    here = world.hits(shot.camera, now)
    there = world.hits(shot.camera, now + STEP_NS)
    to, depth = world.follow(here, shot.camera, now + STEP_NS)
    height, width = depth.shape
    y, x = np.mgrid[:height, :width]
    row, column = (np.rint(to[axis]).astype(int) for axis in (1, 0))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    at = (row.clip(0, height - 1), column.clip(0, width - 1))
    seen = inside & (there.ids[at] == here.ids) & (np.abs(there.depth[at] / depth - 1) < 0.03)
    field = np.dstack([(to[0] - x) * SIDE / width, (to[1] - y) * SIDE / height])
    weight = seen.astype(np.float32)
    share = cv2.resize(weight, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    mean = cv2.resize(
        (field * weight[..., None]).astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA
    )
    return mean / np.maximum(share, 1e-6)[..., None], share > 0.8


if __name__ == "__main__":
    main()
