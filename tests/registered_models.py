"""Depth models that nothing trained, kept and registered as distill would, for tests of promotion.

They answer, they have all that is asked of provenance, and their figures are invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models import weights
from models.depth import DepthConfig, DepthNet
from tasks.depth.evaluation import BASELINES, MODEL, DepthEvaluation, DepthScore
from tasks.depth.presets import DepthPreset
from tasks.depth.recipe import heldout_digest, renderers_here
from tasks.training.kept_results import KeptResult, keep, plan_folder
from tasks.training.recipe import DistillPlan
from tasks.training.registration import send
from tasks.training.run_facts import training_facts

if TYPE_CHECKING:
    from infra.settings import Settings

PRESET = DepthPreset("tiny", steps=1, world_scenes=1, engine_scenes=0)
SMALL = DepthConfig(channels=(16, 16, 16, 16), blocks=1)


def kept_depth(settings: Settings, key: str, abs_rel: float = 0.2, **besides: Any) -> KeptResult:  # noqa: ANN401
    """Keep a network of random weights whose error is said to be `abs_rel`; baselines' is .3."""
    plan = DistillPlan(
        model="depth",
        preset=PRESET,
        material=(),
        parameters={"seed": 0, "name": "tiny"},
        steps=1,
        key=key,
        heldout_digest=heldout_digest(renderers_here()),
    )
    torch.manual_seed(len(key))
    digest = weights.save(plan_folder(settings, key), DepthNet(SMALL))
    errors = {MODEL: abs_rel} | dict.fromkeys(BASELINES, 0.3)
    scores = tuple(DepthScore("world", 0, name, 1, x, 0.5) for name, x in errors.items())
    result = {
        "digest": digest,
        "evaluation": DepthEvaluation(scores).to_json(),
        "picture": np.full((8, 16, 3), (250, 10, 60), np.uint8),
        "parameters": 3,
        "train_seconds": 1.0,
        "losses": [2.0, 1.0],
        "curves": {"train.gradient": [0.5, 0.25]},
        "figures": {"waited_share": 0.01},
        "facts": training_facts(1),
        "usage": {
            "times_ms": [1_000, 3_000],
            "rss_megabytes": [90.0, 100.0],
            "cpu_seconds": [0.0, 1.5],
        },
    }
    return keep(settings, plan, result | besides, {"clips": 3}, [], "")


def register_depth(settings: Settings, key: str, abs_rel: float = 0.2) -> int:
    """Register such a network; return its version."""
    version, _ = send(settings, kept_depth(settings, key, abs_rel))
    return version
