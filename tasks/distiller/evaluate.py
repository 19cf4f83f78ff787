"""Judge a distiller on windows it never saw, beside every baseline, and what its codes cost.

Reads windows in memory and a model; returns a `DistillerEvaluation`, writes nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from statistics import fmean, median
from typing import TYPE_CHECKING

import torch

from infra.errors import MissingBaselineError
from models.distiller import Query
from models.precision import autocast, cpu_precision
from tasks.distiller.evaluation import DistillerEvaluation
from tasks.distiller.picture import distiller_picture
from tasks.judging.dropout_scores import dropout_scores
from tasks.judging.picture_scores import PictureJudge
from tasks.judging.retrieval_scores import retrieval_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.distiller import Distiller, Encoded
    from models.precision import Precision
    from tasks.judging.window_score import Setting, WindowScore
    from tasks.windows.sets import Window

__all__ = ["distiller_cost", "distiller_picture", "evaluate_distiller"]

# Windows of each number of cameras that are timed, after one that is not.
_TIMED = 5


def evaluate_distiller(
    model: Distiller,
    fit: Sequence[Window],
    heldout: Sequence[Window],
    later: Sequence[Window],
    *,
    precision: Precision | None = None,
    side: int | None = None,
) -> DistillerEvaluation:
    """Score the model and its baselines on held-out sessions and on later times of training rigs.

    `fit` are windows of training sessions, on which all baselines are fitted. `heldout` or `later`
    may be empty; windows have 1..8 cameras. `precision` is what this CPU is good at unless given,
    `side` the size in px that pictures are judged at, the model's unless given. Torch's thread
    count is left alone. Codes are coded to bytes: the model's tables must be made.

    Raises:
        MissingBaselineError: there is no window to judge, or none to fit baselines on.
    """
    if not fit:
        raise MissingBaselineError("There are no training windows to fit baselines on.")
    model.eval()
    chosen = precision or cpu_precision()
    judge = PictureJudge.fitted(model, fit, side)
    scores: list[WindowScore] = []
    sides: dict[Setting, Sequence[Window]] = {"new_rig": heldout, "same_rig": later}
    for setting, windows in sides.items():
        if windows:
            scores += judge.scores(model, windows, setting, chosen)
            scores += retrieval_scores(model, fit, windows, setting, chosen)
            scores += dropout_scores(model, fit, windows, setting, chosen)
    cost = distiller_cost(model, [*heldout, *later], chosen)
    return DistillerEvaluation(chosen, torch.get_num_threads(), tuple(scores), cost)


def distiller_cost(
    model: Distiller, windows: Sequence[Window], precision: Precision
) -> dict[str, float]:
    """Return what codes take, by name.

    `encode_ms_<V>` and `decode_ms_<V>` are of a window of V cameras and `window_steps` steps,
    decoded at every step through each of them: medians of some windows, in milliseconds of one
    core. CPU time, because a model is no slower where other work is done besides: by the clock the
    same one took up to 15 times as long. `bytes` and `bytes_estimated` are means over all windows
    of the real coder's stream of one window and of what the prior says; `parameters` counts the
    model's, `peak_rss_bytes` is the most this process had.
    """
    by_count: dict[int, list[Window]] = {}
    for window in windows:
        by_count.setdefault(len(window.cameras), []).append(window)
    found: dict[str, float] = {"parameters": float(sum(p.numel() for p in model.parameters()))}
    real, estimated = [], []
    with torch.inference_mode(), autocast(precision):
        for count, some in sorted(by_count.items()):
            times = []
            for k, window in enumerate(some):
                started = time.process_time()
                code = model.encode(window.tensors)
                coded = time.process_time()
                real.append(float(len(model.codec.to_bytes(code.symbols))))
                estimated.append(float(code.bits[0]) / 8)
                if k <= _TIMED:
                    times.append((1e3 * (coded - started), _decode_ms(model, window, code)))
            # The first of a size allocates and chooses kernels.
            encode, decode = zip(*(times[1:] or times), strict=True)
            found[f"encode_ms_{count}"] = median(encode)
            found[f"decode_ms_{count}"] = median(decode)
    if real:
        found |= {"bytes": fmean(real), "bytes_estimated": fmean(estimated)}
        found["window_steps"] = float(windows[0].tensors["t_ns"].shape[-1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["peak_rss_bytes"] = float(peak if sys.platform == "darwin" else 1024 * peak)
    return found


def _decode_ms(model: Distiller, window: Window, code: Encoded) -> float:
    """Time the pictures of all cameras at all steps of a window."""
    w = window.tensors
    started = time.process_time()
    for k in range(len(window.cameras)):
        slot = w["slot"][:, k] if "slot" in w else None
        query = Query(w["camera"][:, k], w["camera_known"][:, k], w["t_ns"][:, k], slot)
        model.decode(code.symbols, code.t_ns, query)
    return 1e3 * (time.process_time() - started)
