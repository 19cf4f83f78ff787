"""How good depth is, beside plain baselines: the network, stereo from rigs, the real pair aloe.

Reads a model folder (`--model FOLDER`, else the champion of `--home`) and renders the rest; prints
tables. The pair aloe comes from Debian's package opencv-doc; where it is not, that is said.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from depth_rigs import CELLS, Seen, engine_pair, engine_ring, rig_clip, world_rig

from infra import registry
from infra.settings import load_settings
from models import weights
from models.depth import DepthNet
from tasks.depth.evaluate import evaluate_depth, heldout_views, infer
from tasks.depth.recipe import renderers_here
from tasks.depth.scores import depth_errors, fitted, judged, plane_at_median, ramp
from tasks.rigs.calibration import CameraModel
from tasks.views.stereo import Stereo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

ALOE = (
    Path("/usr/share/doc/opencv-doc/examples/data"),
    Path("/usr/share/opencv4/samples/data"),
)
# Middlebury 2006 at full size: focal length 3740 px, 160 mm between the cameras, and the pictures
# cut so that true disparities are larger by 270 px than those stored.
FOCAL_PX, BASELINE_M, CUT_PX = 3740.0, 0.16, 270.0
SCENES = 16
LINE = "{:<34} {:>6} {:>9} {:>7} {:>9} {:>7} {:>7} {:>8}"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a folder of weights.safetensors, config.json")
    parser.add_argument("--home", help="whose champion to judge")
    parser.add_argument("--aloe", type=Path, help="a folder with aloeL.jpg, aloeR.jpg, aloeGT.png")
    given = parser.parse_args()
    model = _model(given.model, given.home)
    if model is not None:
        network(model)
    stereo()
    aloe(model, given.aloe)


def _model(folder: Path | None, home: str | None) -> DepthNet | None:
    if folder is None:
        settings = load_settings(home)
        if registry.champion_version(settings, "depth") is None:
            print("no depth model is promoted: stillhouse distill --model depth; network skipped")
            return None
        folder = registry.download(settings, registry.champion(settings, "depth"))
    found = weights.load(folder)
    assert isinstance(found, DepthNet)
    return found


def network(model: DepthNet) -> None:
    """The network on held-out scenes, and what its confidence is worth."""
    heldout = heldout_views(renderers_here())
    print("\nnetwork, held-out rendered scenes, fitted by scale and shift of the inverse")
    for line in evaluate_depth(model, heldout).table():
        print("  {renderer:<20} {method:<6} {abs_rel:.3f} {delta:.3f}".format(**line))
    for renderer, views in heldout.items():
        answers = infer(model, views.rgb)
        rows = []
        for answer, truth in zip(answers, views.inverse, strict=True):
            if judged(truth).sum() < 40:
                continue
            sure = answer[1] <= np.median(answer[1])
            fit = fitted(answer[0], truth)
            rows.append((depth_errors(fit, truth, sure)[0], depth_errors(fit, truth, ~sure)[0]))
        sure, unsure = np.nanmean(rows, axis=0)
        print(f"  {renderer}: abs-rel of the surer half {sure:.3f}, of the other {unsure:.3f}")
    drift(model)


def drift(model: DepthNet) -> None:
    """How much the network's own scale and shift move from frame to frame of one still camera."""
    from tasks.depth.scenes import random_camera
    from tasks.synthetic.world import World

    found = []
    for seed in range(1 << 20, (1 << 20) + 4):
        world, camera = World(seed), random_camera(np.random.default_rng(seed), (256, 192))
        pictures = [world.picture(camera, t * 80_000_000) for t in range(16)]
        small = [cv2.resize(p, (112, 112), interpolation=cv2.INTER_AREA) for p in pictures]
        answers = infer(model, np.stack(small))[:, 0].reshape(16, -1)
        middle = np.median(answers, axis=1)
        found.append((middle.std(), np.abs(answers - np.median(answers)).mean()))
    moved, spread = np.mean(found, axis=0)
    print(f"  still camera: the median moves by {moved / spread:.3f} of the clip's spread (std)")


def stereo() -> None:
    """The view stereo on rigs whose depth is known."""
    rigs: dict[str, Callable[[int], Sequence[Seen]]] = {}
    if "engine" in renderers_here():
        for baseline in (0.06, 0.15, 0.4):
            rigs[f"pybullet pair {baseline} m"] = lambda n, b=baseline: engine_pair(500 + n, b)
        for apart in (6, 10, 20, 40):
            rigs[f"pybullet ring of 4, {apart} deg"] = lambda n, a=apart: engine_ring(700 + n, a, 4)
    rigs["world, 8 deg apart"] = lambda n: world_rig(900 + n, (-0.14, 0.0, 0.14))
    rigs["world, 16 deg apart"] = lambda n: world_rig(900 + n, (-0.28, 0.0, 0.28))
    rigs["world, take of the archive (30)"] = lambda n: world_rig(900 + n, (-0.5, 0.0, 0.55))
    print("\nstereo of rigs, metric; sure: confidence > .5")
    print(LINE.format("rig", "known", "abs-rel", "<1.25", "sure", "abs-rel", "<1.25", "plane"))
    view = Stereo()
    for name, make in rigs.items():
        rows, spent, cameras = [], 0.0, 0
        for number in range(SCENES):
            seen = make(number)
            clip = rig_clip(seen)
            since = time.thread_time()
            found = view.compute(clip)
            spent += time.thread_time() - since
            cameras += len(seen)
            for one, feature in zip(seen, found.values(), strict=True):
                rows.append(_stereo_row(one.truth, feature.arrays, feature.scales))
        _print(name, rows)
        print(f"{'':<34} {1e3 * spent / cameras:.1f} ms a camera, look-ups made anew each time")


def _stereo_row(
    truth: npt.NDArray[np.float32],
    arrays: Sequence[npt.NDArray[np.generic]],
    scales: Sequence[float],
) -> tuple[float, ...]:
    inverse = arrays[0][0, 0].astype(np.float32) * scales[0]
    confidence = arrays[1][0, 0].astype(np.float32) / 255
    found: list[float] = []
    for least in (0.0, 0.5):
        known = confidence > least
        found += [known.mean(), *depth_errors(inverse, truth, known)]
    return (*found, depth_errors(plane_at_median(truth), truth)[0])


def _print(name: str, rows: Sequence[tuple[float, ...]]) -> None:
    means = np.nanmean(np.array(rows), axis=0)
    print(LINE.format(name, *(f"{value:.3f}" for value in means)))


def aloe(model: DepthNet | None, folder: Path | None) -> None:
    """A real stereo pair with true disparity (Middlebury 2006, by way of OpenCV's examples)."""
    print("\naloe, a real pair with true disparity")
    places = [folder] if folder else list(ALOE)
    found = [place for place in places if (place / "aloeGT.png").exists()]
    if not found:
        print("  skipped: aloeGT.png is not here; apt-get install opencv-doc, or --aloe FOLDER")
        return
    left, right = (cv2.imread(str(found[0] / f"aloe{side}.jpg"))[..., ::-1] for side in "LR")
    disparity = cv2.imread(str(found[0] / "aloeGT.png"), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    height, width = disparity.shape
    known = disparity > 0
    # 1 / depth is (disparity + what was cut away) / (focal length x baseline).
    inverse = np.where(known, (disparity + CUT_PX) / (FOCAL_PX * BASELINE_M), 0)
    truth = _mean_of_known(inverse.astype(np.float32), known)
    flat, still = (0.0, 0.0, 0.0, 0.0, 0.0), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    cx, cy = (width - 1) / 2, (height - 1) / 2
    pair = []
    for picture, x, shift in ((left, cx, 0.0), (right, cx + CUT_PX, -BASELINE_M)):
        matrix = ((FOCAL_PX, 0.0, x), (0.0, FOCAL_PX, cy), (0.0, 0.0, 1.0))
        camera = CameraModel("c", width, height, matrix, flat, still, (shift, 0.0, 0.0))
        pair.append(Seen(camera, np.ascontiguousarray(picture), inverse.astype(np.float32)))
    said = Stereo().compute(rig_clip(pair))["cam0"]
    print(LINE.format("stereo", "known", "abs-rel", "<1.25", "sure", "abs-rel", "<1.25", "plane"))
    _print("view stereo (SGBM, 112 px)", [_stereo_row(truth, said.arrays, said.scales)])
    _sgbm_at_full_size(left, right, truth)
    abs_rel, delta = depth_errors(ramp(truth), truth)
    print(f"  ramp, fitted: {abs_rel:.3f} {delta:.3f}")
    if model is not None:
        small = cv2.resize(left, (112, 112), interpolation=cv2.INTER_AREA)
        answer = infer(model, small[None])[0]
        abs_rel, delta = depth_errors(fitted(answer[0], truth), truth)
        rank = np.corrcoef(answer[0][truth > 0], truth[truth > 0])[0, 1]
        print(f"  network, fitted: {abs_rel:.3f} {delta:.3f}; correlation with truth {rank:.2f}")


def _mean_of_known(
    inverse: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Average a map over cells (28, 28), holes left out; 0 where nothing is known."""
    size = (CELLS, CELLS)
    mean = cv2.resize(inverse, size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.where(share > 0.5, mean / np.maximum(share, 1e-6), 0).astype(np.float32)


def _sgbm_at_full_size(
    left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8], truth: npt.NDArray[np.float32]
) -> None:
    """The same matcher on the whole pictures: what 112 px cost."""
    matcher = cv2.StereoSGBM.create(0, 224, 5, 200, 800, 1, 0, 10, 50, 2, cv2.STEREO_SGBM_MODE_HH)
    found = matcher.compute(left[..., ::-1].copy(), right[..., ::-1].copy()).astype(np.float32) / 16
    known = found > 0
    inverse = np.where(known, (found + CUT_PX) / (FOCAL_PX * BASELINE_M), 0).astype(np.float32)
    ours = _mean_of_known(inverse, known)
    abs_rel, delta = depth_errors(ours, truth, ours > 0)
    print(f"  SGBM at {left.shape[1]} px: known {(ours > 0).mean():.3f}, {abs_rel:.3f} {delta:.3f}")


if __name__ == "__main__":
    main()
