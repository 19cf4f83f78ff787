"""Judge an encoder of windows by retrieval alone, beside every baseline, and what it costs.

Reads windows in memory and a model; returns an evaluation, writes nothing. It is that of the
distiller with one application: what makes no pictures is not judged by any.
"""

from __future__ import annotations

import resource
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import torch

from infra.errors import MissingBaselineError
from models.precision import autocast
from tasks.distiller.evaluation import DistillerEvaluation
from tasks.judging.retrieval_scores import retrieval_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.precision import Precision
    from models.window_encoder import WindowEncoder
    from tasks.judging.window_score import Setting, WindowScore
    from tasks.windows.sets import Window

# Windows of each number of cameras that are timed, after one that is not.
_TIMED = 5


def evaluate_manifold(
    model: WindowEncoder,
    fit: Sequence[Window],
    heldout: Sequence[Window],
    later: Sequence[Window],
    *,
    precision: Precision = "fp32",
) -> DistillerEvaluation:
    """Score retrieval on held-out sessions and on later times of training rigs.

    `fit` are windows of training sessions, on which all baselines are fitted.

    Raises:
        MissingBaselineError: there is nothing to fit baselines on, or no query with an answer.
    """
    if not fit:
        raise MissingBaselineError("There are no training windows to fit baselines on.")
    scores: list[WindowScore] = []
    sides: dict[Setting, Sequence[Window]] = {"new_rig": heldout, "same_rig": later}
    for setting, windows in sides.items():
        if windows:
            scores += retrieval_scores(model, fit, windows, setting, precision)
    cost = encoder_cost(model, [*heldout, *later], precision)
    return DistillerEvaluation(precision, torch.get_num_threads(), tuple(scores), cost)


def encoder_cost(
    model: WindowEncoder, windows: Sequence[Window], precision: Precision
) -> dict[str, float]:
    """Return what embeddings take: `encode_ms_<V>` of a window of V cameras, in CPU time.

    Besides `window_steps`, `parameters` and `peak_rss_bytes`, the most this process had.
    """
    by_count: dict[int, list[Window]] = {}
    for window in windows:
        by_count.setdefault(len(window.cameras), []).append(window)
    found: dict[str, float] = {}
    if isinstance(model, torch.nn.Module):
        found["parameters"] = float(sum(p.numel() for p in model.parameters()))
    with torch.inference_mode(), autocast(precision):
        for count, some in sorted(by_count.items()):
            times = []
            for window in some[: _TIMED + 1]:
                started = time.process_time()
                model.encode(window.tensors)
                times.append(1e3 * (time.process_time() - started))
            # The first of a size allocates and chooses kernels.
            found[f"encode_ms_{count}"] = median(times[1:] or times)
    if windows:
        found["window_steps"] = float(windows[0].tensors["t_ns"].shape[-1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"peak_rss_bytes": float(peak if sys.platform == "darwin" else 1024 * peak)}
