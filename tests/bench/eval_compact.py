"""How compact a shared code is: `python tests/bench/eval_compact.py --model FOLDER --home HOME`.

Bytes to rebuild all cameras of a window, at equal PSNR: one code made of all cameras, a code for
each made of it alone, and x264, x265 and SVT-AV1 on the same pictures. Reads a model folder (else
the champion of the home) and the home's features; prints a table, a row a session of several
cameras, and with `--json FILE` writes every point of every line.

A line is drawn by rescaling the quantisers of all parts, and by leaving the step maps out; bytes
are the range coder's, all windows of a session in one stream. PSNR is that of all pictures of a
session together, rgb, 8 bits, at the model's size. No line is continued beyond its ends.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from rate_curves import Point, mean_ratio, size_at, worth
from rescaled_code import rescaled
from simulcast import CRFS, NAMES, simulcast
from window_source import window_source

from infra import registry
from infra.settings import load_settings
from models import weights
from models.codec import Codec, Symbols
from models.distiller import Distiller, Query
from models.precision import autocast, cpu_precision
from models.resample import to_side
from tasks.sessions.splits import HELDOUT, TRAIN
from tasks.windows.reader import WindowSpec
from tasks.windows.sets import judged_windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from infra.settings import Settings
    from tasks.windows.sets import Window

MODEL = "distiller"
ALL = Symbols._fields
FACTORS = (0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 4.0, 8.0)
# ... and at these the step maps are left out as well.
STILL = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SHARED, SEPARATE = "shared", "separate"


class Session(NamedTuple):
    """One session's lines, by coder; `operating` are the points of the model as it is."""

    name: str
    setting: str
    cameras: int
    windows: int
    lines: dict[str, list[Point]]
    operating: dict[str, Point]


def main() -> None:
    """Draw the lines of every session, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="a folder of weights.safetensors, config.json")
    parser.add_argument("--home", required=True, help="a home with features")
    parser.add_argument("--windows", type=int, default=6, help="of each session at most")
    parser.add_argument("--no-video", action="store_true", help="leave the encoders out")
    parser.add_argument("--json", type=Path, help="write every point there")
    given = parser.parse_args()
    os.environ.setdefault("SVT_LOG", "1")  # errors only; it says which features small pictures lack
    settings = load_settings(given.home)
    net = _model(given.model, settings)
    found = []
    for setting, split, part in (("new_rig", HELDOUT, "all"), ("same_rig", TRAIN, "later")):
        spec = WindowSpec(stride=8)
        windows = judged_windows(
            window_source(settings), spec, split, per_session=given.windows, part=part
        )
        by_session: dict[str, list[Window]] = {}
        for window in windows:
            if len(window.cameras) > 1 and bool(window.tensors["mask_rgb"].all()):
                by_session.setdefault(window.session_id, []).append(window)
        for some in by_session.values():
            found.append(judged(net, some, setting, video=not given.no_video))
            print(f"{found[-1].name}: done", flush=True)
    if not found:
        print(f"{given.home} has no session of several cameras that may be judged on")
        return
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps([_plain(one) for one in found], indent=1) + "\n")


def _model(folder: Path | None, settings: Settings) -> Distiller:
    if folder is None:
        if registry.champion_version(settings, MODEL) is None:
            raise SystemExit("no distiller is promoted: stillhouse distill --model distiller")
        folder = registry.download(settings, registry.champion(settings, MODEL))
    net = weights.load(folder)
    assert isinstance(net, Distiller)
    return net


@torch.no_grad()
def judged(net: Distiller, windows: Sequence[Window], setting: str, *, video: bool) -> Session:
    """Return the lines of one session; its windows have equal cameras and every picture."""
    truth = [_truth(window.tensors, net.config.side) for window in windows]
    own = net.codec
    assert isinstance(own, Codec), "a model of real numbers has no bytes"
    lines: dict[str, list[Point]] = {SHARED: [], SEPARATE: []}
    operating: dict[str, Point] = {}
    with autocast(cpu_precision()):
        seen = [net.see(window.tensors) for window in windows]
        for factor, steps in [(f, f) for f in FACTORS] + [(f, math.inf) for f in STILL]:
            net.codec = rescaled(own, dict.fromkeys(ALL, factor) | {"steps": steps})
            name = f"x{factor:g}{' still' if math.isinf(steps) else ''}"
            for way in (SHARED, SEPARATE):
                codes, error, values = [], 0.0, 0
                for window, eyes, true in zip(windows, seen, truth, strict=True):
                    for cameras in _groups(len(window.cameras), way):
                        keep = torch.zeros(1, len(window.cameras), dtype=torch.bool)
                        keep[0, cameras] = True
                        code = net.combine(eyes, window.tensors, keep)
                        codes.append(code.symbols)
                        shown = pictures(net, code.symbols, window.tensors, cameras)
                        error += float((shown - true[cameras].float()).square().sum())
                        values += shown.numel()
                together = Symbols(*(torch.cat(part) for part in zip(*codes, strict=True)))
                size = len(net.codec.to_bytes(together)) / len(windows)
                psnr = 10 * math.log10(255**2 / max(error / values, 1e-12))
                lines[way].append(Point(size, psnr, name))
                if factor == steps == 1:
                    operating[way] = lines[way][-1]
    net.codec = own
    if video:
        count = truth[0].shape[0]
        cameras_seen = [
            np.concatenate([true[v].permute(0, 2, 3, 1).numpy() for true in truth])
            for v in range(count)
        ]
        for codec in CRFS:
            points = simulcast(codec, cameras_seen, truth[0].shape[1])
            lines[NAMES[codec]] = [p._replace(size=p.size / len(windows)) for p in points]
    first = windows[0]
    return Session(first.session_name, setting, len(first.cameras), len(windows), lines, operating)


def _groups(cameras: int, way: str) -> list[list[int]]:
    """Return which cameras each code is made of, and which are rebuilt from it."""
    return [list(range(cameras))] if way == SHARED else [[v] for v in range(cameras)]


def _truth(tensors: Mapping[str, Tensor], side: int) -> Tensor:
    """Return the pictures as they are judged: (V, T, 3, side, side) uint8."""
    return (to_side(tensors["rgb"][0], side) * 255).round().to(torch.uint8)


def pictures(
    net: Distiller, symbols: Symbols, tensors: Mapping[str, Tensor], cameras: Sequence[int]
) -> Tensor:
    """Return what a code shows through some cameras at every step, (V, T, 3, side, side) 0..255."""
    t_ns = tensors["t_ns"][:, cameras[0]]
    found = []
    for camera in cameras:
        query = Query(
            tensors["camera"][:, camera],
            tensors["camera_known"][:, camera],
            t_ns,
            tensors["slot"][:, camera],
        )
        found.append(net.decode(symbols, t_ns, query)[0])
    return (torch.stack(found).clamp(0, 1) * 255).round()


HEAD = (
    "| session | setting | cameras | shared: bytes, PSNR | separate: bytes, PSNR "
    "| separate at the shared code's PSNR | shared / separate, mean over common PSNR "
    "| x264 there | x265 there | SVT-AV1 there |"
)


def table(sessions: Sequence[Session]) -> str:
    """Return a table in Markdown: bytes a window, of all its cameras."""
    rows = [HEAD, "|" + "---|" * HEAD.count(" |")]
    for one in sessions:
        shared, separate = one.operating[SHARED], one.operating[SEPARATE]
        ratio = mean_ratio(one.lines[SHARED], one.lines[SEPARATE])
        cells = [
            one.name,
            one.setting,
            str(one.cameras),
            f"{shared.size:.0f}, {shared.psnr:.2f}",
            f"{separate.size:.0f}, {separate.psnr:.2f}",
            str(size_at(one.lines[SEPARATE], shared.psnr)),
            "nothing in common" if ratio is None else f"{ratio:.2f}",
            *(_video_cell(one.lines.get(name), shared.psnr) for name in NAMES.values()),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _video_cell(points: Sequence[Point] | None, psnr: float) -> str:
    if not points:
        return "-"
    reading = size_at(points, psnr)
    if reading.kind != "<=":
        return str(reading)
    # Nothing coarser was to be had: what its least bytes buy.
    return f"{reading} (at {worth(points)[0].psnr:.1f} dB)"


def _plain(session: Session) -> dict[str, Any]:
    found = session._asdict()
    found["lines"] = {k: [p._asdict() for p in v] for k, v in session.lines.items()}
    found["operating"] = {k: p._asdict() for k, p in session.operating.items()}
    return found


if __name__ == "__main__":
    main()
