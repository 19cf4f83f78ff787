"""Ways to refine a code, at equal evaluations: `python tests/bench/eval_annealing.py --home HOME`.

Every held-out clip of a home is encoded from its features and its code refined by each method of
`models/refinement.py`, for each seed. Prints what is left of the energy, by session, how often each
method wins, and the paired bootstrap of the differences; writes the curves as a picture. What was
measured is kept line by line in a file, so a run that was stopped is gone on with; the tables are
of those clips and seeds alone that every method has been through.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from itertools import product, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from refinement_tables import curves, report
from window_source import window_source

from infra import registry
from infra.settings import load_settings
from models import weights
from models.code_energy import CodeEnergy
from models.distiller import Distiller
from models.precision import autocast, precision_of
from models.refinement import EVALUATIONS, METHODS, refine
from tasks.codes.encoding import encode_windows
from tasks.codes.energy_picture import energy_picture
from tasks.codes.targets import symbols_of, target_of
from tasks.distiller.presets import PRESETS
from tasks.sessions.splits import HELDOUT
from tasks.windows.clip_index import indexed
from tasks.windows.clip_windows import ClipWindows
from tasks.windows.reader import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infra.registry import ModelVersion
    from infra.settings import Settings
    from tasks.windows.clip_index import ClipIndex

SEEDS = (0, 1, 2)
Row = dict[str, Any]


def main() -> None:
    """Measure what is not measured yet, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", required=True, help="a home with features and a distiller")
    parser.add_argument("--model", default="models:/distiller@champion")
    parser.add_argument("--clips", type=int, default=0, help="of each session at most; 0: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--methods", nargs="+", default=[m for m in METHODS if m != "rounding"])
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no clip after so long")
    parser.add_argument("--rows", type=Path, default=Path("build/eval_annealing.jsonl"))
    parser.add_argument("--picture", type=Path, default=Path("build/eval_annealing.png"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(given.home)
    model = registry.resolve(settings, given.model)
    given.rows.parent.mkdir(parents=True, exist_ok=True)
    facts = {"model": model.digest[:16], "evaluations": given.evaluations}
    done = [row for row in _read(given.rows) if row | facts == row]
    known = {(row["clip_id"], row["seed"], row["method"]) for row in done}
    until = time.monotonic() + 60 * given.minutes
    clips = Clips(settings, model)
    for seed, clip in product(given.seeds, clips.spread(given.clips)):
        due = [m for m in given.methods if (clip.clip_id, seed, m) not in known]
        if not due or time.monotonic() > until:
            continue
        for row in clips.refined(clip, due, seed, given.evaluations):
            done.append(row | facts)
            with given.rows.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
    print(report(done, given.methods, given.evaluations, model.uri))
    picture = energy_picture(curves(done, given.methods))
    cv2.imwrite(str(given.picture), picture[..., ::-1])


class Clips:
    """The held-out clips of a home, and the network that their codes are of."""

    def __init__(self, settings: Settings, model: ModelVersion) -> None:
        net = weights.load(registry.download(settings, model))
        assert isinstance(net, Distiller)
        preset = PRESETS[model.tags["preset"]]
        source = window_source(settings)
        self._net, self._steps = net, preset.window_steps
        self._precision = precision_of(bf16=preset.bf16)
        self._names = source.names
        spec = WindowSpec(steps=self._steps, stride=self._steps)
        self._windows = ClipWindows(source.snapshot, spec, source.versions, source.step_ns)
        self._all = indexed(source.snapshot, HELDOUT, source.step_ns)

    def spread(self, most: int) -> list[ClipIndex]:
        """Return at most so many clips of each session, sessions in turn: any cut is fair."""
        sessions: dict[str, list[ClipIndex]] = defaultdict(list)
        for clip in self._all:
            sessions[clip.session_id].append(clip)
        for name, some in sessions.items():
            count = min(len(some), most or len(some))
            # Spread over the session's time, and then in an order that any part of is spread too.
            chosen = [some[k] for k in np.linspace(0, len(some) - 1, count).round().astype(int)]
            rng = np.random.default_rng(0)
            sessions[name] = [chosen[k] for k in rng.permutation(count)]
        turns = zip_longest(*sessions.values())
        return [clip for turn in turns for clip in turn if clip is not None]

    def refined(
        self, clip: ClipIndex, methods: Sequence[str], seed: int, evaluations: int
    ) -> Iterator[Row]:
        """Yield what each method made of a clip."""
        said = self._windows.said(clip, self._windows.rows([clip])[clip.clip_id])
        firsts = range(0, clip.steps, self._steps)
        windows = [self._windows.window(clip, first, said) for first in firsts]
        codes = encode_windows(self._net, windows, self._precision)
        symbols = symbols_of(self._net, [code.data for code in codes])
        target = target_of(windows, self._net.config.side)
        for method in methods:
            with autocast(self._precision):
                problem = CodeEnergy(self._net, symbols, target)
                since = time.process_time()
                found = refine(problem, method, evaluations, seed)
            yield {
                "session": self._names[clip.session_id],
                "clip_id": clip.clip_id,
                "cameras": len(clip.cameras),
                "windows": len(windows),
                "seed": seed,
                "method": method,
                "before": float(found.before.energy.mean()),
                "after": float(found.after.energy.mean()),
                "error_before": float(found.before.error.mean() / problem.variance),
                "error_after": float(found.after.error.mean() / problem.variance),
                "bytes_before": float(found.before.size.mean()),
                "bytes_after": float(found.after.size.mean()),
                "spent": found.evaluations,
                "pictures": found.pictures,
                "cpu_s": time.process_time() - since,
                "curve": found.curve[:: max(1, len(found.curve) // 40)] + found.curve[-1:],
            }


def _read(file: Path) -> list[Row]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    main()
