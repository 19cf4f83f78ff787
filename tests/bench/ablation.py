"""The ablation ladder: `python tests/bench/ablation.py [--minutes 1.5] [--json FILE] ...`.

Every rung is trained for equal minutes of CPU on the same windows and judged by the same measures,
in a fold for each real rig: learn from the other rigs and the single cameras, hold out this one.
Reads a home with features (`--home`, else makes `.stillhouse-ablation` of the real footage that is
here); prints a table a setting, and what the kill criterion says. With `--json FILE` what was
measured is written after every rung, and `--resume` goes on from there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from ladder import (
    MEASURES,
    RUNGS,
    SETTINGS,
    Fold,
    Outcome,
    best_baselines,
    folds_of,
    table,
    verdict,
)
from window_source import fold_windows, made_home, sessions_of, window_source

from infra.settings import load_settings
from models.distiller_config import PRESETS as NETWORKS
from tasks.distiller.evaluate import evaluate_distiller
from tasks.distiller.presets import PRESETS
from tasks.distiller.train import TrainedDistiller, spec_of, train_distiller
from tasks.judging.window_score import MODEL
from tasks.sessions.splits import TRAIN

if TYPE_CHECKING:
    from tasks.distiller.evaluation import DistillerEvaluation
    from tasks.windows.sets import Window, WindowSource

HOME = ".stillhouse-ablation"


def main() -> None:
    """Climb the ladder, print the tables."""
    given = _arguments()
    home = given.home or made_home(HOME)
    settings = load_settings(home)
    source = window_source(settings)
    sessions = sessions_of(source.snapshot)
    folds = folds_of(sessions)
    if given.folds:
        folds = [fold for fold in folds if fold.rig in given.folds]
    done = _held(given.json) if given.resume else []
    torch.set_num_threads(given.threads)
    for fold in folds:
        steps = PRESETS[given.preset].window_steps
        windows = fold_windows(source, sessions, fold, steps, given.windows)
        for rung in given.rungs or RUNGS:
            if any((one.fold, one.rung) == (fold.rig, rung) for one in done):
                continue
            one = climb(source, fold, rung, windows, given)
            done.append(one)
            print(
                f"{fold.rig}: {rung}: {one.steps} steps, {one.cpu_share:.2f} of a core; "
                + ", ".join(
                    f"{heading} {one.values.get('new_rig', {}).get(name, math.nan):.{digits}f}"
                    for name, (_, heading, digits) in MEASURES.items()
                ),
                flush=True,
            )
            if given.json:
                given.json.write_text(json.dumps([x.to_dict() for x in done], indent=1) + "\n")
    for setting in SETTINGS:
        print(f"\n{table(done, setting)}")
    print()
    print("\n".join(verdict(done)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--home", help=f"a home with features; else {HOME} is made")
    parser.add_argument(
        "--minutes",
        type=float,
        default=1.5,
        help="of training, each rung: of CPU time, by so many threads",
    )
    parser.add_argument("--preset", default="ci", choices=list(PRESETS))
    parser.add_argument("--threads", type=int, default=load_settings().cpus)
    parser.add_argument("--windows", type=int, default=6, help="judged of each session at most")
    parser.add_argument("--rungs", nargs="+", choices=list(RUNGS), metavar="RUNG")
    parser.add_argument("--folds", nargs="+", metavar="RIG")
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--resume", action="store_true", help="keep what --json holds already")
    given = parser.parse_args()
    if given.resume and given.json is None:
        parser.error("--resume needs --json")
    return given


def _held(file: Path) -> list[Outcome]:
    if not file.exists():
        return []
    return [Outcome.from_dict(one) for one in json.loads(file.read_text())]


def climb(
    source: WindowSource,
    fold: Fold,
    rung: str,
    windows: tuple[list[Window], list[Window], list[Window]],
    given: argparse.Namespace,
) -> Outcome:
    """Train one rung on one fold, and judge it."""
    preset = PRESETS[given.preset]
    config = dataclasses.replace(NETWORKS[preset.network], **RUNGS[rung])
    trained: TrainedDistiller | None = None
    began = time.monotonic()
    for found in train_distiller(
        dataclasses.replace(source, sessions=fold.train),
        TRAIN,
        preset,
        threads=given.threads,
        config=config,
        spec=spec_of(preset),
        # Not of the clock on the wall: on a machine that does other things those are not equal.
        seconds=60 * given.minutes * given.threads,
        clock=time.process_time,
    ):
        trained = found if isinstance(found, TrainedDistiller) else trained
    assert trained is not None
    lasted = time.monotonic() - began
    model = trained.model()
    evaluation = evaluate_distiller(model, *windows)
    values = {s: _figures(evaluation, s, MODEL) for s in SETTINGS}
    baselines, names = {}, {}
    for setting in SETTINGS:
        rest = {
            method: _figures(evaluation, setting, method)
            for _, application in evaluation.judged
            for method in evaluation.methods(setting, application)  # type: ignore[arg-type]  # a setting
            if method != MODEL
        }
        found_best = {name: best_baselines(rest, name) for name in MEASURES}
        baselines[setting] = {name: value for name, (_, value) in found_best.items()}
        names[setting] = {name: method for name, (method, _) in found_best.items()}
    return Outcome(
        fold=fold.rig,
        rung=rung,
        parameters=sum(p.numel() for p in model.parameters()),
        steps=len(trained.curves["total"]),
        seconds=trained.seconds,
        cpu_share=trained.seconds / lasted,
        values=values,
        baselines=baselines,
        baseline_names=names,
    )


def _figures(evaluation: DistillerEvaluation, setting: str, method: str) -> dict[str, float]:
    """Return a method's figures of each application, means over sessions."""
    found = {}
    for application, (measure, _, _) in MEASURES.items():
        if application == "dropout":
            curve = evaluation.dropout_curve(setting, method, measure)  # type: ignore[arg-type]  # a setting
            found[application] = curve.get(1, math.nan)
        else:
            found[application] = evaluation.mean(setting, application, method, measure)  # type: ignore[arg-type]  # both are
    return found


if __name__ == "__main__":
    main()
