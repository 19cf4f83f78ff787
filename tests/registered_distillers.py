"""Distillers that nothing trained, registered as distill would, for tests of what is encoded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra import registry
from models import weights
from models.distiller import Distiller
from models.distiller_config import DistillerConfig
from tasks.distiller.presets import MODEL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from infra.settings import Settings

TINY = DistillerConfig(
    side=32, channels=(8, 8, 16, 16), pyramid=16, width=24, heads=2, latents=4, layers=1, decoder=48
)


# With as many latents as the distillers of presets: what a head of actions reads.
TINY_OF_ACTIONS = replace(TINY, latents=16)


def tiny_distiller(seed: int, config: DistillerConfig = TINY) -> Distiller:
    """Return a network of drawn weights whose coder has its tables."""
    torch.manual_seed(seed)
    net = Distiller(config).eval()
    with torch.no_grad():
        for quantiser in net.codec.quantisers.values():
            # Numbers of several steps, as after training; else nearly all are 0.
            quantiser.log_step.fill_(-4.0)
    net.codec.tabulate()
    return net


def register_distiller(
    settings: Settings,
    folder: Path,
    seed: int,
    *,
    champion: bool = True,
    preset: str = "",
    config: DistillerConfig = TINY,
) -> int:
    """Register such a network from `folder`, make it champion, return its version."""
    digest = weights.save(folder, tiny_distiller(seed, config))
    tags = {"weights_digest": digest} | ({"preset": preset} if preset else {})
    with registry.start_run(settings, "tiny", {}, {}) as run:
        version = registry.register_model(
            run, MODEL_NAME, folder, example=np.zeros((1, 2, 2, 3, 32, 32), np.float32), tags=tags
        )
    if champion:
        with registry.promotion_lock(settings, MODEL_NAME):
            registry.set_champion(settings, MODEL_NAME, version)
    return version
