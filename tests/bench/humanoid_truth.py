"""Joints of rendered people with known truth: whether the networks see the figure, and how near.

Used by `eval_pose.py`. Needs `tasks/synthetic/rendering.py` and the extra `render`; says so where
they are not. The figure is of capsules and balls, without a face, hands or feet.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from tasks.pose.networks import ASSET, Networks
from tasks.pose.people import FULL, find_people
from tasks.rigs.triangulate import linear, robust

if TYPE_CHECKING:
    from pathlib import Path

# BlazePose's number of each of the figure's joints; hips and shoulders are defined alike.
SAME = {
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14,
    "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip
SIDE, STEPS, CAMERAS, SCENES = 320, 13, 4, 6


def judge_humanoid(assets: Path) -> None:
    """Print how often the figure is found, how many joints are near, and the error in space.

    Near is within the distance from its neck to the middle of its head, 17.5 cm.
    """
    if not (find_spec("tasks.synthetic.rendering") and find_spec("pybullet")):
        print("\nhumanoid: needs tasks/synthetic/rendering.py and pybullet")
        return
    from tasks.rigs.pinhole import looking
    from tasks.synthetic.rendering import Scene

    eyes = Networks(assets / ASSET, 1)
    numbers = list(SAME.values())
    found = total = 0
    near: list[float] = []
    plain_m: list[float] = []
    robust_m: list[float] = []
    for seed in range(SCENES):
        with Scene(seed, person=True) as scene:
            cameras = [
                looking(
                    np.array([2.6 * np.cos(a), 1.2, 2.6 * np.sin(a)]),
                    np.array([0.0, 0.8, 0.0]),
                    320.0,
                    (SIDE, SIDE),
                )
                for a in 0.3 + np.arange(CAMERAS) * 2 * np.pi / CAMERAS
            ]
            seen = [[scene.render(c, k * 0.08) for k in range(STEPS)] for c in cameras]
        pixels = np.zeros((CAMERAS, STEPS, len(SAME), 2))
        weights = np.zeros((CAMERAS, STEPS, len(SAME)))
        for c, shots in enumerate(seen):
            pictures = np.stack([shot.rgb for shot in shots])
            people = find_people(pictures, np.ones(STEPS, bool), (SIDE, SIDE), eyes, FULL)
            there = people.found[:, 0]
            found, total = found + int(there.sum()), total + STEPS
            pixels[c] = people.joints[:, 0, numbers, :2] * SIDE - 0.5
            weights[c] = people.joints[:, 0, numbers, 3] * there[:, None]
            for k in np.flatnonzero(there):
                truth = shots[k].joints_px()
                head = np.linalg.norm(np.subtract(truth["head"], truth["neck"]))
                real = np.array([truth[name] for name in SAME])
                near += (np.linalg.norm(pixels[c, k] - real, axis=1) < head).tolist()
        world = np.array([[shot.joints[name] for name in SAME] for shot in seen[0]]).reshape(-1, 3)
        flat, sure = pixels.reshape(CAMERAS, -1, 2), weights.reshape(CAMERAS, -1)
        plain = linear(cameras, flat, (sure > 0).astype(float))
        best = robust(cameras, flat, sure)
        plain_m += np.linalg.norm(plain - world, axis=1).tolist()
        robust_m += np.linalg.norm(best.points - world, axis=1).tolist()
    where = f"{found} of {total} pictures, {np.mean(near or [0]):.3f} of joints within 17.5 cm"
    errors = f"{np.nanmedian(plain_m) * 100:.1f} plain, {np.nanmedian(robust_m) * 100:.1f} robust"
    print(f"\nhumanoid: found in {where}; median cm off in space {errors}, "
          f"placed {np.isfinite(robust_m).mean():.3f}")  # fmt: skip
