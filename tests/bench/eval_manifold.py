"""Manifold methods beside scikit-learn's: `python tests/bench/eval_manifold.py [--home HOME]`.

On a surface of known truth (`manifold_truth.py`) of 1,000 to 50,000 points, each cell in a process
of its own: seconds, CPU seconds, the process's most memory, trustworthiness, continuity, Procrustes
against the truth, and R@1 of new points from one view to the other. scikit-learn has no views;
where it needs more than `--limit` seconds or `--memory` GiB its cell says so, and larger ones are
not tried. With a home, the same of the nodes of its training windows. Prints; `--json FILE`
writes all.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from window_source import window_source

from infra.settings import load_settings
from models.manifold import METHODS, fit_manifold
from models.manifold_quality import kept_neighbours, residual_variance
from tasks.manifold.material import manifold_rows
from tasks.manifold.presets import manifold_preset_named
from tasks.sessions.splits import TRAIN
from tasks.windows.reader import WindowSpec

COUNTS = (1000, 5000, 20_000, 50_000)
PEERS = ("isomap", "mds", "lle", "ltsa")
COLUMNS = ("seconds", "cpu", "gib", "trust", "continuity", "procrustes", "r_at_1")
CELL = Path(__file__).with_name("manifold_cell.py")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--home", help="a home with features; its nodes are measured too")
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--limit", type=float, default=600, help="seconds a cell may take")
    parser.add_argument("--memory", type=float, default=12, help="GiB a cell may address")
    parser.add_argument("--ours-only", action="store_true", help="without scikit-learn")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    rows = []
    given_up: set[str] = set()
    print(f"{'N':>6} {'who':8} {'method':7}" + "".join(f"{name:>11}" for name in COLUMNS))
    for count in told.counts:
        for method in METHODS:
            for who in ("ours", "sklearn"):
                if who == "sklearn" and (told.ours_only or method not in PEERS):
                    continue
                if who == "sklearn" and method in given_up:
                    found: dict[str, Any] = {"why": "not tried, it failed with fewer"}
                else:
                    found = cell(who, method, count, told.limit, told.memory)
                if "why" in found and who == "sklearn":
                    given_up.add(method)
                rows.append({"count": count, "who": who, "method": method} | found)
                print(f"{count:6} {who:8} {method:7}{_told(found)}", flush=True)
    report: dict[str, Any] = {"surface": rows}
    if told.home:
        report["home"] = real_nodes(told.home)
    if told.json:
        told.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def cell(who: str, method: str, count: int, limit_s: float, memory_gib: float) -> dict[str, Any]:
    """Measure in a process of its own; `why` says what stopped it."""

    def bounded() -> None:
        bytes_ = int(memory_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))

    command = [sys.executable, str(CELL), who, method, str(count)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
            preexec_fn=bounded,
        )
    except subprocess.TimeoutExpired:
        return {"why": f"more than {limit_s:.0f} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return {"why": "out of memory" if "Memory" in last else last[:80]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _told(found: dict[str, Any]) -> str:
    if "why" in found:
        return f"  {found['why']}"
    return "".join(f"{found[name]:11.3f}" if name in found else f"{'-':>11}" for name in COLUMNS)


def real_nodes(home: str) -> list[dict[str, Any]]:
    """Read each manifold off the training windows of a home, as preset ci does; print and return.

    Trustworthiness and continuity are of each view's nodes among themselves, their mean over views;
    residual variance is of geodesic distances to landmarks.
    """
    preset = manifold_preset_named("ci")
    spec = WindowSpec(steps=preset.window_steps, stride=preset.stride, cameras=preset.cameras)
    source = window_source(load_settings(home))
    told = manifold_rows(source, spec, TRAIN, per_session=preset.per_session, part="earlier")
    graph = told.graph(preset.neighbours, preset.cross)
    print(
        f"\n{home}: {len(graph.moment)} nodes of {graph.moments} windows, views "
        f"{', '.join(one.view for one in told.views)}; {graph.components} components, "
        f"{graph.duplicates} duplicates, {len(graph.constant)} constant views"
    )
    print(f"{'method':7}{'dims':>6}{'cpu s':>8}{'trust':>8}{'contin.':>9}{'resid. var.':>13}")
    geodesic = None
    rows = []
    for method in METHODS:
        dims = preset.patch_dims if method in ("lle", "ltsa") else preset.dims
        since = time.process_time()
        found = fit_manifold(method, graph, dims)
        spent = time.process_time() - since
        pairs = [
            kept_neighbours(view, found.coordinates[cut])
            for view, cut in zip(graph.views, graph.cuts, strict=True)
            if len(view) > 20
        ]
        if geodesic is None:
            reference = fit_manifold("isomap", graph, preset.dims)
            geodesic = (reference.landmarks, reference.away)  # type: ignore[attr-defined]  # Isomap
        marks = graph.fused(found.coordinates)[geodesic[0]]
        gap = np.linalg.norm(found.coordinates[:, None] - marks[None], axis=2)
        trust, continuity = np.mean(pairs, axis=0)
        rows.append(
            {
                "method": method,
                "dims": dims,
                "cpu": spent,
                "trust": float(trust),
                "continuity": float(continuity),
                "residual_variance": residual_variance(geodesic[1], gap),
            }
        )
        last = rows[-1]
        print(
            f"{method:7}{dims:6}{spent:8.2f}{trust:8.3f}{continuity:9.3f}"
            f"{last['residual_variance']:13.3f}",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
