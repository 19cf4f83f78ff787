"""How well actions are read off codes, on RENDERED footage: `eval_actions.py MODEL_FOLDER`.

No archive here has actions seen by several cameras and labelled, so a humanoid of capsules plays
motion-capture clips (the package `pybullet`, extra `render`) before three cameras: the clips are
the classes, sessions differ in room, light, clothes, place, heading and cameras. Views are the
picture and DIS flow. Prints top-1 and macro-F1 of linear probes on codes and on all baselines,
then of probes on principal components of the same views (fitted without labels on all windows),
which tell how hard the task is. With `--home HOME` it prints first what is on record of the newest
model action there, on REAL footage, session by session (`real_labels.csv`, `label`, then `distill
--model action`), and renders for that home's promoted distiller. Without either the model is an
untrained one of preset ci, and the output says so.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from plainly import plainly

from infra import registry
from infra.errors import ModelNotFoundError
from infra.settings import load_settings
from models import weights
from models.distiller import Distiller
from models.distiller_config import PRESETS
from models.precision import cpu_precision
from tasks.actions.codes import action_codes
from tasks.actions.judgement import BASELINES, MODEL, ActionJudgement
from tasks.actions.presets import MODEL_NAME
from tasks.actions.probe import probe_actions
from tasks.distiller.presets import MODEL_NAME as DISTILLER
from tasks.judging.heldout import recorded_evaluation
from tasks.rigs.pinhole import looking
from tasks.synthetic.humanoid import clip_names
from tasks.synthetic.rendering import Scene
from tasks.views.flow import QUARTER, Flow
from tasks.views.pictures import clip_of
from tasks.windows.features import PcaOfWindows, stacked
from tasks.windows.sets import Window, as_torch
from tasks.windows.tensors import FLOW_LIMIT, camera_vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tasks.actions.codes import ActionCodes
    from tasks.rigs.calibration import CameraModel

SIDE, STEPS, CAMERAS, STEP_NS = 112, 8, 3, 80_000_000
# Windows of a clip a session, from different instants of it.
WINDOWS = 2
# Ways to join the cameras' principal components.
PEERS = ("late_mean", "early_concat")
LINE = "  {:<12} {:>5} {:<16} {:>6} {:>7} {:>9} {:>15}"


def main() -> None:
    """Render, encode, probe, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", help="weights.safetensors, config.json")
    parser.add_argument("--sessions", type=int, default=8, help="that are rendered; 0: none")
    parser.add_argument("--home", type=Path, help="print its newest model action's record")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if given.home:
        print_record(given.home)
    if not given.sessions:
        return
    if given.home and given.model is None:
        settings = load_settings(str(given.home))
        given.model = registry.download(settings, registry.champion(settings, DISTILLER))
    model = _model(given.model)
    since = time.perf_counter()
    windows, labels = [], []
    for seed in range(given.sessions):
        for name, window in session_windows(seed):
            windows.append(window)
            labels.append(name)
    rendered = time.perf_counter()
    codes = action_codes(model, windows, labels, cpu_precision())
    encoded = time.perf_counter()
    found = probe_actions(codes)
    plain = probe_actions(_components(windows, codes))
    print(
        f"RENDERED footage, not real: {len(set(labels))} motion-capture clips as classes, "
        f"{given.sessions} sessions, {CAMERAS} cameras, {len(windows)} windows of {STEPS} steps"
    )
    print(f"model: {given.model or 'UNTRAINED preset ci'}; chance {1 / len(set(labels)):.3f}")
    print(LINE.format("protocol", "shots", "method", "items", "top-1", "macro-F1", "worst session"))
    peers = [r | {"method": f"pca {r['method']}"} for r in plain.table() if r["method"] in PEERS]
    for row in [*found.table(), *peers]:
        print(
            LINE.format(
                row["protocol"],
                row["shots"] or "all",
                row["method"],
                row["items"],
                f"{row['top1']:.3f}",
                f"{row['macro_f1']:.3f}",
                f"{row['worst']:.3f}",
            )
        )
    spent = (rendered - since, encoded - rendered, time.perf_counter() - encoded)
    print("seconds: rendered {:.0f}, encoded {:.0f}, probed {:.0f}".format(*spent))


def print_record(home: Path) -> None:
    """Print what was measured of the newest head in a home, with all baselines."""
    settings = load_settings(str(home))
    versions = registry.versions(settings, MODEL_NAME)
    if not versions:
        raise ModelNotFoundError(
            f"{home} has no model of actions.",
            command=f"stillhouse --home {home} label FILE, then distill --model {MODEL_NAME}",
        )
    version = versions[-1]
    found = ActionJudgement.from_json(recorded_evaluation(settings, version))
    print(f"{version.uri} ({version.tags['preset']}, {version.tags['kind']}): {found.protocol}")
    for row in found.table():
        print("  {session:<36} {method:<13} {items:>4} {top1:>7.3f} {macro_f1:>7.3f}".format(**row))
    for method in (MODEL, *BASELINES):
        top1, macro_f1 = found.top1(method), found.macro_f1(method)
        if top1 is not None and macro_f1 is not None:
            print(f"  {'mean; macro-F1 of all':<36} {method:<18} {top1:>7.3f} {macro_f1:>7.3f}")
    print(*found.remarks(), sep="\n")


def _model(folder: Path | None) -> Distiller:
    if folder is None:
        torch.manual_seed(0)
        return Distiller(PRESETS["ci"]).eval()
    found = weights.load(folder)
    assert isinstance(found, Distiller)
    return found


def _components(windows: Sequence[Window], codes: ActionCodes) -> ActionCodes:
    """Return the same windows with as many principal components in place of each camera's code."""
    rows = stacked([window.tensors for window in windows])
    width = codes.codes.shape[2]
    single = PcaOfWindows.fit(rows, width).codes(rows).reshape(len(windows), CAMERAS, -1)
    single = np.pad(single, ((0, 0), (0, 0), (0, width - single.shape[2])))
    mean = codes.sets / codes.sets.sum(axis=1, keepdims=True)
    joined = np.einsum("mv,nve->nme", mean, single)
    return replace(codes, codes=joined, background=np.zeros_like(joined))


def session_windows(seed: int) -> list[tuple[str, Window]]:
    """Return the windows of one room: each clip from some instants, by all cameras."""
    rng = np.random.default_rng([seed, 0xAC7])
    found = []
    with Scene(10_000 + seed, person=True) as scene:
        cameras = _cameras(rng)
        assert scene.person is not None
        for name in clip_names():
            scene.person.perform(name)
            last = max(0.0, scene.person.seconds - STEPS * STEP_NS / 1e9)
            for k in range(WINDOWS):
                start = last * (k + rng.uniform()) / WINDOWS
                at = [start + step * STEP_NS / 1e9 for step in range(STEPS)]
                seen = [[scene.render(camera, t).rgb for t in at] for camera in cameras]
                window = _window(f"room {seed}", f"{name} {k}", cameras, np.array(seen))
                found.append((name, window))
    return found


def _cameras(rng: np.random.Generator) -> list[CameraModel]:
    """Draw cameras around the middle, a third of a turn apart and a little off."""
    around = rng.uniform(-np.pi, np.pi) + np.arange(CAMERAS) * 2 * np.pi / CAMERAS
    around += rng.uniform(-0.3, 0.3, CAMERAS)
    return [
        looking(
            np.array([2.6 * np.cos(a), rng.uniform(0.8, 1.6), 2.6 * np.sin(a)]),
            np.array([0.0, 0.8, 0.0]),
            float(SIDE * rng.uniform(0.8, 1.0)),
            (SIDE, SIDE),
        )
        for a in around
    ]


def _window(
    session: str, clip: str, cameras: list[CameraModel], rgb: npt.NDArray[np.uint8]
) -> Window:
    """Make the tensors of pictures (V, T, 112, 112, 3), flow as the view has it."""
    times = np.arange(STEPS, dtype=np.int64) * STEP_NS
    there = np.ones(STEPS, bool)
    flows = [Flow().compute(clip_of(shown, there)) for shown in rgb]
    field = np.stack([one.arrays[0] for one in flows]).astype(np.float32) * QUARTER
    tensors = as_torch(
        {
            "rgb": rgb.transpose(0, 1, 4, 2, 3)[None],
            "mask_rgb": np.ones((1, CAMERAS, STEPS), bool),
            "flow": field.clip(-FLOW_LIMIT, FLOW_LIMIT)[None],
            "mask_flow": np.stack([one.mask for one in flows])[None],
            "camera": np.stack([camera_vector(camera) for camera in cameras])[None],
            "camera_known": np.ones((1, CAMERAS), bool),
            "t_ns": np.tile(times, (1, CAMERAS, 1)),
        }
    )
    names = tuple(f"cam{k}" for k in range(CAMERAS))
    return Window(session, session, f"{session} {clip}", 0, names, tensors)


if __name__ == "__main__":
    plainly(main)
