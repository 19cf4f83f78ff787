"""The flat names under which a distiller's figures go to the registry.

Reads and writes nothing and needs no torch. `heldout.new_rig.target.fg_psnr` is the model's mean
over sessions, `heldout.new_rig.target.median.fg_psnr` a baseline's. `gain_over_<baseline>_db` is in
foreground PSNR, `gain_over_<baseline>` in mean average precision; `dropout.given_<n>` is of codes
made of n cameras; `cost` is as it was measured. What is not a number has no name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.distiller.evaluation import DistillerEvaluation
    from tasks.judging.window_score import Application, Setting


def model_metrics_of(found: DistillerEvaluation) -> dict[str, float]:
    """Return what concerns the model: means, gains, how much was judged, what codes cost."""
    metrics: dict[str, float] = {}
    for setting, application in found.judged:
        prefix = f"heldout.{setting}.{application}"
        model, *others = found.methods(setting, application)
        metrics |= _figures(found, prefix, setting, application, model)
        unit = "_db" if application in ("target", "view") else ""
        for method in others:
            gain = found.gain(setting, application, method)
            metrics[f"{prefix}.gain_over_{method}{unit}"] = gain
        metrics[f"{prefix}.sessions"] = float(len(found.sessions(setting, application)))
        metrics[f"{prefix}.pieces"] = float(len(found.groups[setting, application, model]))
    metrics |= {f"heldout.cost.{name}": value for name, value in found.cost.items()}
    return numbers_of(metrics)


def baseline_metrics_of(found: DistillerEvaluation) -> dict[str, float]:
    """Return the means of the baselines on the same pieces."""
    metrics: dict[str, float] = {}
    for setting, application in found.judged:
        for method in found.methods(setting, application)[1:]:
            prefix = f"heldout.{setting}.{application}.{method}"
            metrics |= _figures(found, prefix, setting, application, method)
    return numbers_of(metrics)


def numbers_of(found: Mapping[str, float]) -> dict[str, float]:
    """Return the entries that are numbers."""
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _figures(
    found: DistillerEvaluation,
    prefix: str,
    setting: Setting,
    application: Application,
    method: str,
) -> dict[str, float]:
    figures = {}
    for measure in found.measures(application):
        figures[f"{prefix}.{measure}"] = found.mean(setting, application, method, measure)
        if application == "dropout":
            for count, value in found.dropout_curve(setting, method, measure).items():
                figures[f"{prefix}.given_{count}.{measure}"] = value
    return figures
