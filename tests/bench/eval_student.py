"""How much of its teacher's lead a student closes: `eval_student.py [--home HOME] [--minutes 2]`.

In a fold for each real rig: learn from the other rigs and the single cameras, hold out this one.
Trained are a teacher of all views and one of rgb alone, for equal minutes; then the same small
network by the first (ours), without a teacher (scratch) and by the second (the control), for equal
minutes, the teachers' answers included. All minutes are of CPU. With `--teacher` the teacher is
that one, on the home's own split, and the one of rgb has the minutes given.

Prints mean average precision and recall at 1 of finding a moment through other cameras, session by
session, and the share of the gap (S - scratch) / (T - scratch) that is closed. Reads a home with
features, else makes `.stillhouse-ablation` of the footage that is here.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from ladder import Fold, folds_of
from window_source import fold_windows, made_home, sessions_of, window_source

from infra import registry
from infra.settings import load_settings
from models.distiller_config import PRESETS as NETWORKS
from tasks.codes.model import load_distiller
from tasks.distiller.presets import PRESETS as TEACHERS
from tasks.distiller.train import TrainedDistiller, train_distiller
from tasks.judging.gallery import Gallery
from tasks.judging.retrieval_scores import CHANCE, scores_of
from tasks.judging.window_score import MODEL, SETTINGS
from tasks.sessions.splits import TRAIN
from tasks.student.evaluate import evaluate_student
from tasks.student.evaluation import LEAST_GAP, SCRATCH, TEACHER, StudentEvaluation
from tasks.student.presets import PRESETS
from tasks.student.train import TrainedStudent, train_student

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from infra.settings import Settings
    from models.distiller import Distiller
    from models.student import Student
    from tasks.judging.window_score import Setting, WindowScore
    from tasks.student.presets import StudentPreset
    from tasks.windows.sets import Window, WindowSource

HOME = ".stillhouse-ablation"
SINGLE, SINGLE_TEACHER = "rgb_taught", "rgb_teacher"
# In the order of the table; baselines after them.
METHODS = {
    MODEL: "ours",
    SCRATCH: "scratch",
    SINGLE: "by rgb teacher",
    TEACHER: "teacher",
    SINGLE_TEACHER: "rgb teacher",
    "pca": "pca",
    "single_view": "best view",
    CHANCE: "chance",
}
MEASURES = {"map": "mean average precision", "r_at_1": "recall at 1"}
SAID = {"new_rig": "held-out rigs", "same_rig": "training rigs at a later time"}


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", help=f"a home with features; else {HOME} is made")
    parser.add_argument("--minutes", type=float, default=2.0, help="of CPU, each student")
    parser.add_argument("--teacher-minutes", type=float, default=3.0, help="of CPU, each teacher")
    parser.add_argument("--teacher", help="models:/distiller/N instead of training one")
    parser.add_argument("--preset", default="ci", choices=sorted(PRESETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--folds", nargs="+", metavar="RIG")
    parser.add_argument("--windows", type=int, default=12, help="judged of each session at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was measured there")
    given = parser.parse_args()
    settings = load_settings(given.home or made_home(HOME))
    source = window_source(settings)
    torch.set_num_threads(given.threads)
    found: list[StudentEvaluation] = []
    for fold in _folds(source, given):
        for seed in given.seeds:
            one = judged(source, fold, seed, settings, given)
            found.append(one)
            if given.json:
                given.json.write_text(json.dumps([json.loads(x.to_json()) for x in found]))
    for setting in SETTINGS:
        for measure in MEASURES:
            print(table(found, setting, measure))
    few = {session for one in found for session in one.sessions("new_rig")}
    print(f"{len(few)} held-out sessions, {len(given.seeds)} seeds: no claim of significance.")


def _folds(source: WindowSource, given: argparse.Namespace) -> list[Fold]:
    sessions = sessions_of(source.snapshot)
    if not given.teacher:
        return [f for f in folds_of(sessions) if not given.folds or f.rig in given.folds]
    # Its own split: the sessions it may have learned from are those of training.
    from tasks.windows.clip_index import indexed

    sides = {
        split: frozenset(c.session_id for c in indexed(source.snapshot, split, source.step_ns))
        for split in ("train", "heldout")
    }
    rigs = frozenset(s.session_id for s in sessions if s.cameras > 1)
    return [Fold("the home's split", sides["heldout"] & rigs, sides["train"])]


def judged(
    source: WindowSource, fold: Fold, seed: int, settings: Settings, given: argparse.Namespace
) -> StudentEvaluation:
    """Train everything of one fold and judge it."""
    learned = dataclasses.replace(source, sessions=fold.train)
    preset = dataclasses.replace(PRESETS[given.preset], seed=seed)
    windows = fold_windows(
        source, sessions_of(source.snapshot), fold, preset.window_steps, given.windows
    )
    began = time.process_time()
    if given.teacher:
        version = registry.resolve(settings, given.teacher)
        teacher = load_distiller(registry.download(settings, version), version.uri)
    else:
        teacher = _teacher(learned, given, seed)
    ours = _student(learned, preset, teacher, given)
    scratch = _student(learned, preset, None, given)
    others: dict[str, Student] = {}
    single = None
    if given.teacher_minutes:
        single = _teacher(learned, given, seed, views=("rgb",))
        others[SINGLE] = _student(learned, preset, single, given)
    found = evaluate_student(ours, scratch, teacher, *windows, others=others)
    if single is not None:
        sides = zip(SETTINGS, windows[1:], strict=True)
        more = [score for s, some in sides for score in _codes_of(single, some, s)]
        found = dataclasses.replace(found, scores=(*found.scores, *more))
    spent = (time.process_time() - began) / 60
    print(f"{fold.rig}, seed {seed}: {spent:.1f} minutes of CPU", flush=True)
    return found


def _teacher(
    source: WindowSource, given: argparse.Namespace, seed: int, views: tuple[str, ...] | None = None
) -> Distiller:
    preset = dataclasses.replace(TEACHERS[given.preset], seed=seed)
    config = dataclasses.replace(NETWORKS[preset.network], fusion=preset.fusion)
    if views:
        config = dataclasses.replace(config, views=views)
    *_, last = train_distiller(
        source,
        TRAIN,
        preset,
        threads=given.threads,
        config=config,
        seconds=60 * given.teacher_minutes,
        clock=time.process_time,
    )
    assert isinstance(last, TrainedDistiller)
    steps, contrast = len(last.curves["total"]), fmean(last.curves["contrast"][-20:])
    print(f"teacher of {views or 'all views'}: {steps} steps, contrast {contrast:.3f}", flush=True)
    return last.model()


def _student(
    source: WindowSource,
    preset: StudentPreset,
    teacher: Distiller | None,
    given: argparse.Namespace,
) -> Student:
    *_, last = train_student(
        source, TRAIN, preset, teacher=teacher, threads=given.threads, seconds=60 * given.minutes
    )
    assert isinstance(last, TrainedStudent)
    said = {name: round(fmean(x[-20:]), 3) for name, x in last.curves.items()}
    print(f"student: {len(last.curves['total'])} steps, {said}", flush=True)
    return last.model()


def _codes_of(net: Distiller, windows: Sequence[Window], setting: Setting) -> list[WindowScore]:
    gallery = Gallery.of(windows)
    found = gallery.search(gallery.codes(net, "fp32"))
    return scores_of(gallery, SINGLE_TEACHER, found, setting)


def table(found: Sequence[StudentEvaluation], setting: Setting, measure: str) -> str:
    """Return a table in Markdown: a row a session, means over seeds; then means and gaps closed."""
    values = {method: _by_session(found, setting, method, measure) for method in METHODS}
    names = {k: name for one in found for k, name in one.sessions(setting).items()}
    kept = [method for method in METHODS if values[method]]
    lines = [
        f"\n| {SAID[setting]}, {MEASURES[measure]} | "
        + " | ".join(METHODS[m] for m in kept)
        + " |",
        "|---" * (1 + len(kept)) + "|",
    ]
    for session, name in sorted(names.items(), key=lambda item: item[1]):
        cells = [_told(values[method].get(session, math.nan)) for method in kept]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    means = {method: _mean(values[method].values()) for method in kept}
    lines.append("| **mean** | " + " | ".join(_told(means[m]) for m in kept) + " |")
    gap = means[TEACHER] - means[SCRATCH]
    for method in (MODEL, SINGLE):
        if method in means:
            share = (means[method] - means[SCRATCH]) / gap if gap >= LEAST_GAP else math.nan
            told = "no gap: the teacher has no lead" if math.isnan(share) else f"{share:+.0%}"
            if means[TEACHER] <= means.get(CHANCE, math.nan):
                told += "; the teacher is no better than chance, so this says nothing"
            lines.append(f"\n{METHODS[method]}, gap closed: {told}")
    return "\n".join(lines)


def _by_session(
    found: Iterable[StudentEvaluation],
    setting: Setting,
    method: str,
    measure: str,
) -> dict[str, float]:
    seen: dict[str, list[float]] = {}
    for one in found:
        for session, values in one.values(setting, "retrieval", method, measure).items():
            seen.setdefault(session, []).append(fmean(values.values()))
    return {session: fmean(values) for session, values in seen.items()}


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return fmean(known) if known else math.nan


def _told(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    main()
