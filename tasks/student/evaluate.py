"""Judge a student on windows it never saw, beside its teacher, its control and every baseline.

Reads windows in memory and models; returns a `StudentEvaluation`, writes nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import MissingBaselineError
from models.precision import autocast
from tasks.judging.gallery import Gallery
from tasks.judging.retrieval_scores import retrieval_scores, scores_of
from tasks.judging.window_score import MODEL
from tasks.student.evaluation import ASKS_TEACHER, SCRATCH, TEACHER, StudentEvaluation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from models.distiller import Distiller
    from models.precision import Precision
    from models.student import Student
    from tasks.judging.window_score import Setting, WindowScore
    from tasks.windows.sets import Window

    Floats = npt.NDArray[np.float64]

# Steps that are timed, after some that are not.
_TIMED, _WARM = 40, 5


def evaluate_student(
    model: Student,
    scratch: Student,
    teacher: Distiller,
    fit: Sequence[Window],
    heldout: Sequence[Window],
    later: Sequence[Window],
    *,
    precision: Precision = "fp32",
    teacher_precision: Precision = "fp32",
    others: Mapping[str, Student] | None = None,
) -> StudentEvaluation:
    """Score a student and all it stands beside on held-out sessions and later times of known rigs.

    Windows are as `evaluate_distiller` takes them. `scratch` is the same network trained for as
    long without a teacher; `others` are more students by name. Torch's thread count is left alone.

    Raises:
        MissingBaselineError: no held-out or later window has a query of several cameras, or there
            is none to fit baselines on.
    """
    if not fit:
        raise MissingBaselineError("There are no training windows to fit baselines on.")
    students = {MODEL: model, SCRATCH: scratch, **(others or {})}
    scores: list[WindowScore] = []
    cost: dict[str, float] = student_cost(model)
    sides: dict[Setting, Sequence[Window]] = {"new_rig": heldout, "same_rig": later}
    for setting, windows in sides.items():
        if not windows:
            continue
        found = retrieval_scores(teacher, fit, windows, setting, teacher_precision)
        scores += [replace(s, method=TEACHER) if s.method == MODEL else s for s in found]
        if not found:
            continue
        gallery = Gallery.of(windows)
        codes = {name: student_codes(net, gallery, precision) for name, net in students.items()}
        for name, code in codes.items():
            scores += scores_of(gallery, name, gallery.search(code), setting)
        taught = gallery.codes(teacher, teacher_precision)
        crossed = gallery.search(codes[MODEL], taught)
        scores += scores_of(gallery, ASKS_TEACHER, crossed, setting)
        cost[f"cosine_to_teacher_{setting}"] = _likeness(codes[MODEL], taught)
    if not scores:
        raise MissingBaselineError(
            "No session that is judged has two cameras: a student is judged by finding a moment "
            "through another camera."
        )
    return StudentEvaluation(precision, torch.get_num_threads(), tuple(scores), cost)


@torch.inference_mode()
def student_codes(net: Student, gallery: Gallery, precision: Precision = "fp32") -> Floats:
    """Return the embedding of each item of a gallery, (N, E); zeros of one without a picture."""
    net.eval()
    found = []
    for number, window in enumerate(gallery.windows):
        # Cameras are side by side: each is a window of its own.
        one = {name: window.tensors[name][0][:, None] for name in ("rgb", "mask_rgb", "t_ns")}
        with autocast(precision):
            code = net.encode(one).embedding.double().numpy()
        found.append(code[gallery.camera[gallery.window == number]])
    return np.concatenate(found)


@torch.inference_mode()
def student_cost(net: Student) -> dict[str, float]:
    """Return what a picture takes, by name.

    `step_ms` is the median CPU time of one step of one camera, in fp32: of one core, because a
    model is no slower where other work is done besides. `parameters` counts the model's,
    `peak_rss_bytes` is the most this process had.
    """
    net.eval()
    config = net.config
    x = torch.full((1, 3, config.side, config.side), 128.0)
    h, mask, dt = torch.zeros(1, config.state), torch.ones(1, dtype=torch.bool), torch.zeros(1)
    times = []
    for _ in range(_WARM + _TIMED):
        started = time.process_time()
        _, h = net.step(x, h, mask, dt)
        times.append(1e3 * (time.process_time() - started))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "parameters": float(sum(p.numel() for p in net.parameters())),
        "step_ms": median(times[_WARM:]),
        "peak_rss_bytes": float(peak if sys.platform == "darwin" else 1024 * peak),
    }


def _likeness(ours: Floats, theirs: Floats) -> float:
    """Mean cosine of the items that both have a code of."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both = lengths > 0
    return fmean((ours * theirs).sum(axis=1)[both] / lengths[both]) if both.any() else 0.0
