"""How well people and bodies are found: `python tests/bench/eval_pose.py [part ...]`.

Parts: pace, joints, moving, humanoid; all by default. Needs the assets `blazepose` and
`sample-pose2sim` under STILLHOUSE_HOME; reads single recordings in `../shared/data` where they
are, writes a synthetic archive into a temporary folder, prints tables. Joints are compared with
those read in float32 at every step; several cameras are their own truth: rays of one joint meet,
and bones are rigid. What moves is compared with the synthetic archive's truth.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from infra.settings import load_settings
from tasks.decode import Decoded, Limits, Source, decode_all, probe, sample
from tasks.pose.networks import ASSET, Networks
from tasks.pose.people import FULL, PACE, ClipPeople, Pace, find_people
from tasks.pose.shared import RGB320
from tasks.rigs.calibration import read_calibration
from tasks.rigs.triangulate import errors_px, linear, robust
from tasks.views.skeleton3d import camera_pixels

sys.path.insert(0, str(Path(__file__).parent))
from moving_truth import judge_moving  # the path is set just above

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel

    Floats = npt.NDArray[np.float64]

INTEL = Path(__file__).parents[2].parent / "shared" / "data" / "single" / "intel"
GRID_NS = 80_000_000
LIMITS = Limits(pixels=1 << 24, frames=100_000)
# Upper arms, forearms, thighs, shins, shoulders, hips, sides of the trunk.
RIGID = ((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28),
         (11, 12), (23, 24), (11, 23), (12, 24))  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One clip's pictures (T, 320, 320, 3) and the recording's size."""

    pictures: npt.NDArray[np.uint8]
    size: tuple[int, int]


def shown(path: Path, steps: int = 25, step_ns: int = GRID_NS, start_ns: int = 0) -> Shown:
    """Decode one clip as extraction does."""
    source, picture = Source(str(path)), probe(Source(str(path))).picture
    first = next(decode_all(source, LIMITS))
    assert isinstance(first, Decoded)
    times = [start_ns + k * step_ns for k in range(steps)]
    found = sample(source, times, [RGB320], start_pts=first.pts)
    pictures = np.stack([shot.images[RGB320.name] for shot in found for _ in shot.indices])
    return Shown(pictures, (picture.width, picture.height))


def people(clip: Shown, eyes: Networks, pace: Pace) -> ClipPeople:
    return find_people(clip.pictures, np.ones(len(clip.pictures), bool), clip.size, eyes, pace)


def takes(folder: Path) -> dict[str, list[Shown]]:
    """Return clips of people by kind of footage."""
    found = {
        f"take {k}": [shown(folder / f"take_{k}" / f"cam0{c}.mp4", 21) for c in range(1, 5)]
        for k in (1, 2)
    }
    if INTEL.exists():
        found["gestures"] = [shown(p) for p in sorted(INTEL.rglob("*.mkv"))[::3]]
        walk = INTEL / "one-by-one-person-detection.mp4"
        found["walk by"] = [shown(walk, start_ns=s * 10**9) for s in (8, 12, 16)]
    return found


def differences(truth: ClipPeople, found: ClipPeople) -> tuple[Floats, int, int, Floats]:
    """Return visible joints' distances in % of the picture, people missed and added, mask IoU."""
    best: tuple[int, Floats, int, int] | None = None
    for slots in ([0, 1], [1, 0]):
        here, there = truth.found, found.found[:, slots]
        both = here & there
        off = np.linalg.norm((truth.joints - found.joints[:, slots])[both][..., :2], axis=-1)
        off = off[truth.joints[both][..., 3] > 0.5] * 100
        missed, added = int((here & ~there).sum()), int((there & ~here).sum())
        if best is None or (missed, float(off.sum())) < (best[0], float(best[1].sum())):
            best = (missed, off, missed, added)
    masks = [one.masks > 0.5 for one in (truth, found)]
    union = (masks[0] | masks[1]).sum(axis=(1, 2))
    shared = (masks[0] & masks[1]).sum(axis=(1, 2))[union > 0] / union[union > 0]
    assert best is not None
    return best[1], best[2], best[3], shared


def judge_pace(clips: dict[str, list[Shown]], assets: Path) -> None:
    """Print what looking less costs and saves, against float32 at every step."""
    nets = {name: Networks(assets / ASSET, 1, name) for name in ("f32", "bf16")}
    truth = {kind: [people(one, nets["f32"], FULL) for one in some] for kind, some in clips.items()}
    kinds = {
        "f32, all, detector too": ("f32", FULL),
        "f32, all": ("f32", replace(FULL, detect=8)),
        "bf16, all": ("bf16", replace(FULL, detect=8)),
        "bf16, every 2nd": ("bf16", Pace(2, 9.0, 6, -1.0)),
        "bf16, every 4th": ("bf16", Pace(4, 9.0, 3, -1.0)),
        "bf16, 4th + moved 3 %": ("bf16", replace(PACE, moved=0.03)),
        "bf16, 4th + moved 2 %": ("bf16", PACE),
        "bf16, 4th + moved 1 %": ("bf16", replace(PACE, moved=0.01)),
        "f32, 4th + moved 2 %": ("f32", PACE),
    }
    print(f"\n{'pace':24}{'clips':10}{'ms/step':>8}{'det':>6}{'looks':>7}{'median%':>9}{'p95%':>7}"
          f"{'PCK@2%':>8}{'missed':>8}{'added':>7}{'mask IoU':>10}")  # fmt: skip
    for name, (precision, pace) in kinds.items():
        for kind, some in clips.items():
            since = time.process_time()
            found = [people(one, nets[precision], pace) for one in some]
            spent = (time.process_time() - since) / sum(len(one.pictures) for one in some) * 1e3
            told = [differences(a, b) for a, b in zip(truth[kind], found, strict=True)]
            off, shared = (np.concatenate([one[k] for one in told]) for k in (0, 3))
            count = len(found)
            print(f"{name:24}{kind:10}{spent:8.2f}{sum(f.detections for f in found) / count:6.1f}"
                  f"{sum(f.looks for f in found) / count:7.1f}{np.median(off):9.2f}"
                  f"{np.quantile(off, 0.95):7.2f}{(off < 2).mean():8.3f}"
                  f"{sum(one[1] for one in told):8}{sum(one[2] for one in told):7}"
                  f"{np.median(shared):10.3f}")  # fmt: skip


def rigid(points: Floats, steps: int) -> float:
    """Return the share of bones whose length is more than a fifth off its median over time."""
    cloud = points.reshape(steps, 33, 3)
    lengths = np.stack([np.linalg.norm(cloud[:, a] - cloud[:, b], axis=1) for a, b in RIGID])
    middle = np.nanmedian(lengths, axis=1, keepdims=True)
    return float(np.nanmean(np.abs(lengths - middle) > 0.2 * middle))


def placed(cameras: Sequence[CameraModel], joints: Floats, sizes: Sequence[tuple[int, int]],
           shifts: Sequence[int]) -> tuple[Floats, Floats, int]:  # fmt: skip
    """Return pixels (V, N, 2), weights (V, N) and the steps of cameras shifted by some steps."""
    most = max(shifts)
    steps = joints.shape[1] - most
    moved = [one[shift : shift + steps] for one, shift in zip(joints, shifts, strict=True)]
    pixels = [
        camera_pixels(camera, one[..., :2].reshape(-1, 2).astype(float), size)
        for camera, one, size in zip(cameras, moved, sizes, strict=True)
    ]
    return np.stack(pixels), np.stack([one[..., 3].ravel() for one in moved]).astype(float), steps


def judge_joints(folder: Path, assets: Path) -> None:
    """Print reprojection errors of take 1, plain and robust, on the grid and out of time."""
    cameras = read_calibration(folder / "Calib.qca.txt").cameras
    print(f"\n{'take 1, reading':28}{'shifted':>16}{'linear px':>11}{'robust px':>11}"
          f"{'inliers px':>12}{'cameras':>9}{'bones off: linear':>19}{'robust':>8}")  # fmt: skip
    in_time = [(0, 0, 0, 0)]
    shifted = [*in_time, (0, 10, 0, 10), (0, 0, 10, 10), (0, 0, 20, 20)]
    for rate, count, step_ns, ways in (
        ("12.5/s", 21, GRID_NS, in_time),
        ("60/s", 100, 16_666_667, shifted),
    ):
        files = [folder / "take_1" / f"cam0{c}.mp4" for c in range(1, 5)]
        clips = [shown(file, count, step_ns) for file in files]
        sizes = [one.size for one in clips]
        for precision, pace in (("f32", FULL), ("bf16", PACE)):
            eyes = Networks(assets / ASSET, 1, precision)
            joints = np.stack([people(one, eyes, pace).joints[:, 0] for one in clips])
            name = f"{rate} {precision}{', all' if pace == FULL else ', chosen pace'}"
            for shifts in ways:
                print(f"{name:28}{shifts!s:>16}" + compared(cameras, joints, sizes, shifts))


def compared(cameras: Sequence[CameraModel], joints: Floats, sizes: Sequence[tuple[int, int]],
             shifts: Sequence[int]) -> str:  # fmt: skip
    """Return a row: how well plain and robust triangulation agree with the cameras, and bones."""
    pixels, weights, steps = placed(cameras, joints, sizes, shifts)
    plain = linear(cameras, pixels, (weights > 0).astype(float))
    best = robust(cameras, pixels, weights)
    off, better = (errors_px(cameras, p, pixels) for p in (plain, best.points))
    return (f"{np.nanmedian(off):11.1f}{np.nanmedian(better):11.1f}"
            f"{np.nanmedian(best.error_px):12.1f}{best.cameras.mean():9.2f}"
            f"{rigid(plain, steps):19.3f}{rigid(best.points, steps):8.3f}")  # fmt: skip


def main() -> None:
    """Run the parts that are named, or all."""
    parts = sys.argv[1:] or ["pace", "joints", "moving", "humanoid"]
    assets = load_settings().assets
    folder = assets / "sample" / "pose2sim"
    if "pace" in parts:
        judge_pace(takes(folder), assets)
    if "joints" in parts:
        judge_joints(folder, assets)
    if "moving" in parts:
        with tempfile.TemporaryDirectory() as temporary:
            judge_moving(Path(temporary) / "archive")
    if "humanoid" in parts:
        from humanoid_truth import judge_humanoid

        judge_humanoid(assets)


if __name__ == "__main__":
    main()
