"""What encoding costs: `python tests/bench/bench_encode.py [--home HOME] [--preset laptop]`.

HOME is one in which extract has run; it is only read. The network has drawn weights and the
preset's sizes: what is measured does not depend on training.

1. One thread, in this process: CPU per window by stage, by number of cameras, and the same windows
   in batches of other sizes and in either arithmetic: time, and how many symbols differ from those
   of each window alone.
2. Workers on Ray, loading apart, beside as many bare processes that do nothing but the same
   forward on tensors that are ready; interleaved rounds, the median of each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from bench_ingest import cpu_model

from catalog.query import rows, run
from catalog.store import Catalog
from infra.ray_cluster import Finished, cluster, map_batches
from infra.registry import ModelVersion
from infra.settings import Settings, load_settings
from models import weights
from models.codec import Symbols
from models.distiller import Distiller
from models.distiller_config import PRESETS
from models.precision import autocast, cpu_precision
from tasks.codes.clip_encoder import ClipEncoder
from tasks.codes.coding import CodeWork, Coding
from tasks.codes.encode import batch_size, batches
from tasks.codes.encoding import TOGETHER
from tasks.windows.clip_index import indexed
from tasks.windows.clip_windows import ClipWindows
from tasks.windows.sets import as_torch

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDS, GOAL = 3, 0.7
Windows = list[dict[str, torch.Tensor]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", default=None)
    parser.add_argument("--preset", default="laptop", choices=sorted(PRESETS))
    parser.add_argument("--clips", type=int, default=64)
    given = parser.parse_args()
    source = load_settings(given.home)
    source.prepare_process()
    torch.set_num_threads(1)
    print(f"{cpu_model()}, {source.cpus} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="stillhouse-bench-") as folder:
        settings = beside(source, Path(folder))
        net = drawn(given.preset, Path(folder) / "model")
        coding, work = material(settings, net[1], given.clips)
        print(f"preset {given.preset}, {coding.parts['windows']}, {len(work)} clips")
        stages(settings, coding, work, folder)
        arithmetic(net[0], settings, coding, work)
        engine(settings, coding, work, folder)


def beside(source: Settings, folder: Path) -> Settings:
    """Return a home of one's own that reads the other's tables; codes are written here."""
    catalog = folder / "catalog"
    catalog.mkdir()
    for table in Path(source.catalog).iterdir():
        if table.is_dir() and not table.name.startswith("code"):
            (catalog / table.name).symlink_to(table.absolute())
    return Settings(home=folder, cpus=source.cpus)


def drawn(preset: str, folder: Path) -> tuple[Distiller, str]:
    """Return a network of drawn weights, saved in `folder`, and its digest."""
    torch.manual_seed(0)
    net = Distiller(PRESETS[preset]).eval()
    with torch.no_grad():
        for quantiser in net.codec.quantisers.values():
            # Numbers of several steps, as after training; else nearly all are 0.
            quantiser.log_step.fill_(-4.0)
    net.codec.tabulate()
    return net, weights.save(folder, net)


def material(settings: Settings, digest: str, most: int) -> tuple[Coding, list[CodeWork]]:
    """Return how clips are encoded, from whatever versions the home has, and some of its clips."""
    snapshot = Catalog(settings.catalog).snapshot()
    newest = "select view, arg_max(version, n) as version from (select view, version, count(*) as n"
    newest += " from features group by all) group by view"
    views = {row["view"]: row["version"] for row in run(snapshot, newest).to_pylist()}
    model = ModelVersion("distiller", 1, "", digest, {}, (), 0)
    coding = Coding(model, views, 8, cpu_precision())
    ends = {row["clip_id"]: row for row in rows(snapshot, "clip_givens")}
    clips = indexed(
        snapshot, "", settings.grid_step_ns, {row["session_id"] for row in ends.values()}
    )
    # Neighbours, as reindex takes them: what lies in one row group is read at once.
    counts = sorted({len(clip.cameras) for clip in clips})
    by_cameras = [[clip for clip in clips if len(clip.cameras) == n] for n in counts]
    chosen = [clip for some in by_cameras for clip in some[: most // len(counts)]]
    return coding, [
        CodeWork(clip, ends[clip.clip_id]["end_ns"], ends[clip.clip_id]["given"]) for clip in chosen
    ]


def stages(settings: Settings, coding: Coding, work: list[CodeWork], folder: str) -> None:
    """Print CPU per window by stage, by number of cameras."""
    snapshot = Catalog(settings.catalog).snapshot()
    encoder = ClipEncoder(settings, "bench", snapshot, coding, f"{folder}/model")
    print("\none thread, ms a window (a step of a camera) by stage")
    for cameras in sorted({len(one.clip.cameras) for one in work}):
        mine = [one for one in work if len(one.clip.cameras) == cameras]
        encoder.run(mine[:1])
        found = encoder.run(mine)
        steps = sum(one.clip.steps for one in mine) * cameras
        each = "  ".join(
            f"{name} {1e3 * s / found.codes:.1f} ({1e3 * s / steps:.2f})"
            for name, s in found.cpu_seconds.items()
        )
        share = found.cpu_seconds["encode"] / sum(found.cpu_seconds.values())
        print(f"  {cameras} cameras: {each}  encode is {share:.0%}")


def read_windows(settings: Settings, coding: Coding, work: Sequence[CodeWork]) -> list[Windows]:
    """Return the windows of each clip, as the worker cuts them."""
    snapshot = Catalog(settings.catalog).snapshot()
    reader = ClipWindows(snapshot, coding.spec, coding.views, settings.grid_step_ns)
    found = []
    for one in work:
        said = reader.said(one.clip, reader.rows([one.clip])[one.clip.clip_id])
        firsts = range(0, one.clip.steps, coding.steps)
        windows = [reader.window(one.clip, first, said) for first in firsts]
        found.append([as_torch({k: x[None] for k, x in w.items()}) for w in windows])
    return found


def together(windows: Windows) -> dict[str, torch.Tensor]:
    """Return windows of equally many cameras as one batch."""
    return {name: torch.cat([window[name] for window in windows]) for name in windows[0]}


def arithmetic(net: Distiller, settings: Settings, coding: Coding, work: list[CodeWork]) -> None:
    """Print time and differing symbols of batches against each window alone."""
    clips = read_windows(settings, coding, work)
    print("\nms a window, and symbols that differ from those of the window alone (of how many)")
    for cameras in sorted({len(one.clip.cameras) for one in work}):
        mine = [ws for one, ws in zip(work, clips, strict=True) if len(one.clip.cameras) == cameras]
        flat = [window for windows in mine for window in windows]
        cuts = {
            "alone": [[window] for window in flat],
            "clip": mine,
            "mixed 8": [flat[at::step] for step in [-(-len(flat) // 8)] for at in range(step)],
        }
        for precision in ("fp32", "bf16"):
            said, first = [], {}
            for name, cut in cuts.items():
                since, codes = time.process_time(), {}
                for windows in cut:
                    with torch.inference_mode(), autocast(precision):
                        symbols = net.encode(together(windows)).symbols
                    for k, window in enumerate(windows):
                        codes[id(window)] = Symbols(*(part[k] for part in symbols))
                spent = (time.process_time() - since) / len(flat)
                first = first or codes
                differ, total = differing(first, codes)
                said.append(f"{name} {1e3 * spent:.1f}, {differ} of {total}")
            print(f"  {cameras} cameras, {len(flat)} windows, {precision}: {'; '.join(said)}")


def differing(one: dict[int, Symbols], other: dict[int, Symbols]) -> tuple[int, int]:
    """Return how many symbols of the same windows differ, and how many there are."""
    pairs = [(a, b) for key in one for a, b in zip(one[key], other[key], strict=True)]
    return sum(int((a != b).sum()) for a, b in pairs), sum(a.numel() for a, _ in pairs)


def engine(settings: Settings, coding: Coding, work: list[CodeWork], folder: str) -> None:
    """Print windows a second of workers on Ray beside bare processes with the same forward."""
    rates: dict[str, list[float]] = {"Ray": [], "bare": []}
    with cluster(settings):
        for _ in range(ROUNDS):
            rates["bare"].append(bare_rate(settings, coding, work, folder))
            rates["Ray"].append(ray_rate(settings, coding, work, folder))
    print(f"\nwindows/s with {settings.cpus} processes of one thread, {ROUNDS} rounds")
    for name, found in rates.items():
        print(f"  {name}: {median(found):.1f} ({min(found):.1f}-{max(found):.1f})")
    ratio = median(rates["Ray"]) / median(rates["bare"])
    print(f"  Ray / bare: {ratio:.2f}  (goal {GOAL}: {'met' if ratio >= GOAL else 'NOT MET'})")


def ray_rate(settings: Settings, coding: Coding, work: list[CodeWork], folder: str) -> float:
    """Return windows a second from when every worker has done its first clip."""
    snapshot = Catalog(settings.catalog).snapshot()
    arguments = (settings, "bench", snapshot, coding, f"{folder}/model")
    warm = [work[:1]] * settings.cpus
    left, started, codes = settings.cpus, 0.0, 0
    for outcome in map_batches(
        ClipEncoder,
        arguments,
        [*warm, *batches(work, batch_size(len(work), settings.cpus))],
        actors=settings.cpus,
    ):
        if not isinstance(outcome, Finished):
            raise SystemExit(f"a worker died: {outcome.reason}")
        if left:
            left -= 1
            started = time.perf_counter()
        else:
            codes += outcome.result.codes
    return codes / (time.perf_counter() - started)


def bare_rate(settings: Settings, coding: Coding, work: list[CodeWork], folder: str) -> float:
    """Return windows a second of processes that have theirs in memory and forward them only."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(settings.cpus), context.Queue()
    shares = [work[k :: settings.cpus] for k in range(settings.cpus)]
    processes = [
        context.Process(target=bare, args=(settings, coding, share, folder, barrier, results))
        for share in shares
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    first, last = min(one[1] for one in found), max(one[2] for one in found)
    return sum(one[0] for one in found) / (last - first)


def bare(
    settings: Settings,
    coding: Coding,
    work: list[CodeWork],
    folder: str,
    barrier: Any,  # noqa: ANN401  multiprocessing's
    results: Any,  # noqa: ANN401  same
) -> None:
    """Forward the windows of some clips, in the worker's batches; what is read is read before."""
    torch.set_num_threads(1)
    net = weights.load(Path(folder) / "model")
    assert isinstance(net, Distiller)
    most = TOGETHER[coding.precision]
    cut = [
        together(windows[at : at + most])
        for windows in read_windows(settings, coding, work)
        for at in range(0, len(windows), most)
    ]
    with torch.inference_mode(), autocast(coding.precision):
        net.encode(cut[0])
        barrier.wait()
        started = time.perf_counter()
        for batch in cut:
            net.encode(batch)
    count = int(np.sum([len(batch["camera_known"]) for batch in cut]))
    results.put((count, started, time.perf_counter()))


if __name__ == "__main__":
    main()
