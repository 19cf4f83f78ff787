"""What exported models cost and lose: `bench_export.py [--home HOME] [--model models:/student/N]`.

HOME is only read. The student is that of the registry (the champion, else the newest), or one of
drawn weights of preset laptop, of which speed and parity are measured and accuracy is not; so are
super-resolution at 112 px and the depth network. Each is exported and quantised by pictures of
HOME's training sessions (by noise without a home), then:

1. p50 and p95 of one step by the clock and p50 of CPU time, fp32 and int8 in turns, 1 and 2
   threads, beside one step of one camera of the distiller in torch: the ratio to the teacher.
2. What int8 loses on held-out sessions: cosine of embeddings to fp32, points of retrieval.
"""

from __future__ import annotations

import argparse
import platform
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from bench_ingest import cpu_model
from window_source import window_source

from infra import registry
from infra.settings import load_settings
from models import weights
from models.depth import DepthNet
from models.distiller import Distiller
from models.distiller_config import PRESETS as TEACHERS
from models.portable import portable
from models.student import Student
from models.superresolution import SuperResolution
from tasks.codes.model import load_distiller
from tasks.export.int8 import to_int8
from tasks.export.onnx_step import OnnxSteps, parity, to_onnx
from tasks.export.pictures import pictures_of
from tasks.judging.gallery import Gallery
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import judged_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor, nn

    from infra.settings import Settings
    from models.portable import Portable
    from tasks.windows.sets import Window, WindowSource

ROUNDS, WARM = 100, 10
STEPS, EACH = 8, 12
GOALS = {"student fp32": 5.0, "student int8": 3.0, "super-resolution fp32": 25.0}
GOAL_COSINE = 0.99
LINE = "  {:<26} {:>7} {:>8} {:>8} {:>8} {:>8}  {}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=None, help="a home with features, which is only read")
    parser.add_argument("--model", help="models:/student/N; else the champion, else the newest")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(given.home) if given.home else None
    source = window_source(settings) if settings else None
    student, teacher, said = networks(settings, given.model)
    clips = pictures_of(source, TRAIN) if source else [noise(k) for k in range(24)]
    versions = {name: __import__(name).__version__ for name in ("torch", "onnx", "onnxruntime")}
    print(f"{cpu_model()}, Python {platform.python_version()}, {versions}")
    print(f"student: {said}; int8 ranges of {sum(map(len, clips))} pictures")
    nets: dict[str, nn.Module] = {
        "student": student,
        "super-resolution": SuperResolution(),
        "depth": DepthNet(),
    }
    made = {}
    print("\nmilliseconds a step")
    print(LINE.format("", "MB", "threads", "p50", "p95", "CPU p50", "goal"))
    for name, net in nets.items():
        part = portable(net.eval())
        assert part is not None
        fp32 = to_onnx(part)
        # Ranges of the student are of all of them; the others' speed does not depend on ranges.
        ranged = clips if name == "student" else clips[:6]
        made[name] = (part, fp32, to_int8(fp32, part, ranged))
        print(f"  {name}: furthest of fp32 from torch {parity(part, fp32, clips[:2]):.1e}")
        latency(name, *made[name], clips[0])
    _beside_teacher(teacher, made["student"], clips[0])
    if source:
        lost(source, *made["student"])


def networks(settings: Settings | None, uri: str | None) -> tuple[Student, Distiller, str]:
    """Return a student and its teacher, and what they are."""
    torch.manual_seed(0)
    drawn = Student().eval(), Distiller(TEACHERS["laptop"]).eval(), "drawn weights, preset laptop"
    if settings is None:
        return drawn
    name = uri or "student"
    if not uri and registry.champion_version(settings, "student") is None:
        newest = registry.newest(settings, "student")
        if newest is None:
            return drawn
        name = f"models:/student/{newest}"
    version = registry.resolve(settings, name)
    net = weights.load(registry.download(settings, version))
    assert isinstance(net, Student)
    taught = registry.resolve(settings, version.tags["teacher"])
    teacher = load_distiller(registry.download(settings, taught), taught.uri)
    return net, teacher, f"{version.uri}, preset {version.tags['preset']}, taught by {taught.uri}"


def noise(seed: int) -> Tensor:
    """Return pictures of random patches: (8, 3, 112, 112) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (STEPS, 3, 7, 7), np.uint8)
    return torch.from_numpy(coarse.repeat(16, 2).repeat(16, 3))


def latency(name: str, part: Portable, fp32: bytes, int8: bytes, clip: Tensor) -> None:
    """Time both in turns, with one thread and with two."""
    models = {"fp32": fp32, "int8": int8}
    for threads in (1, 2):
        steps = {kind: OnnxSteps(blob, part, threads) for kind, blob in models.items()}
        given = next(steps["fp32"].stream(clip))[0]
        times = timed({kind: partial(one.step, given) for kind, one in steps.items()})
        for kind, (wall, spent) in times.items():
            goal = GOALS.get(f"{name} {kind}") if threads == 1 else None
            p50, cpu = np.percentile(wall, 50), np.percentile(spent, 50)
            told = "" if goal is None else f"{goal:g}: {'met' if cpu <= goal else 'NOT MET'}"
            figures = (f"{x:.2f}" for x in (p50, np.percentile(wall, 95), cpu))
            size = f"{len(models[kind]) / 1e6:.2f}"
            print(LINE.format(f"{name} {kind}", size, threads, *figures, told))
        ratio = np.percentile(times["fp32"][1], 50) / np.percentile(times["int8"][1], 50)
        print(f"  {name}, {threads} threads: int8 {ratio:.2f} x as fast by CPU time")


def timed(
    kinds: Mapping[str, Callable[[], object]],
) -> dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Return milliseconds by the clock and of CPU of each, taken in turns."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for _ in range(WARM + ROUNDS):
        for kind, call in kinds.items():
            wall, spent = time.perf_counter(), time.process_time()
            call()
            found[kind].append((time.perf_counter() - wall, time.process_time() - spent))
    return {kind: tuple(1e3 * np.array(x[WARM:]).T) for kind, x in found.items()}  # type: ignore[misc]  # of two rows


def _beside_teacher(
    teacher: Distiller, student: tuple[Portable, bytes, bytes], clip: Tensor
) -> None:
    """Time the distiller's whole window of one camera, of pictures alone, by the step."""
    part, fp32, int8 = student
    pictures = clip[None, None].float()
    steps = {kind: OnnxSteps(blob, part) for kind, blob in (("fp32", fp32), ("int8", int8))}
    given = next(steps["fp32"].stream(clip))[0]
    calls: dict[str, Callable[[], object]] = {k: partial(x.step, given) for k, x in steps.items()}
    with torch.inference_mode():
        calls["teacher"] = partial(teacher.serve, pictures)
        times = {kind: float(np.percentile(x[1], 50)) for kind, x in timed(calls).items()}
    whole = times.pop("teacher") / len(clip)
    print(f"\nteacher in torch fp32, pictures alone: {whole:.2f} ms of CPU a step of one camera")
    for kind, one in times.items():
        print(f"  student {kind}: {whole / one:.1f} x as fast")


def lost(source: WindowSource, part: Portable, fp32: bytes, int8: bytes) -> None:
    """Say how far int8 embeddings are from fp32 ones, and what finds fewer moments by them."""
    spec = WindowSpec(tensors=("rgb",), steps=STEPS, stride=STEPS)
    windows = judged_windows(source, spec, HELDOUT, per_session=EACH)
    codes = [embeddings(OnnxSteps(blob, part), windows) for blob in (fp32, int8)]
    ones, others = (np.concatenate([x for one in code for x in one.values()]) for code in codes)
    near = (ones * others).sum(axis=1)
    met = "met" if near.mean() >= GOAL_COSINE else "NOT MET"
    print(
        f"\nint8 to fp32 on {len(near)} held-out pictures: cosine mean {near.mean():.5f}, "
        f"5th percentile {np.percentile(near, 5):.5f}, worst {near.min():.5f} "
        f"(goal {GOAL_COSINE}: {met})"
    )
    middle = ones.mean(axis=0)
    a, b = ones - middle, others - middle
    apart = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    print(
        f"  less the mean of all, whose length is {np.linalg.norm(middle):.3f}: "
        f"mean {apart.mean():.5f}, worst {apart.min():.5f}"
    )
    gallery = Gallery.of(windows)
    if not gallery.asks.any():
        print("no held-out session of several cameras: retrieval is not judged")
        return
    for kind, code in zip(("fp32", "int8"), codes, strict=True):
        items = np.stack(
            [
                code[w].get(c, np.zeros((1, ones.shape[1]))).mean(axis=0)
                for w, c in zip(gallery.window, gallery.camera, strict=True)
            ]
        )
        figures = gallery.search(items.astype(np.float64)).figures()
        told = ", ".join(f"{name} {x:.3f}" for name, x in figures.items())
        print(f"  retrieval by {kind}, {int(gallery.asks.sum())} queries: {told}")


def embeddings(
    steps: OnnxSteps, windows: Sequence[Window]
) -> list[dict[int, npt.NDArray[np.float32]]]:
    """Return of each window and camera the embeddings of the pictures that are there: (T, E)."""
    found = []
    for window in windows:
        one = {}
        for camera in range(len(window.cameras)):
            there = window.tensors["mask_rgb"][0, camera]
            pictures = window.tensors["rgb"][0, camera][there]
            if len(pictures):
                told = [answer["embedding"] for _, answer in steps.stream(pictures)]
                one[camera] = np.concatenate(told)
        found.append(one)
    return found


if __name__ == "__main__":
    main()
