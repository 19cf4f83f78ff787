"""Where a training run stands, in one file: weights, optimiser, random states, position.

Writes and reads safetensors with JSON beside the tensors, nothing pickled. A file is whole or the
one before it: a run that is killed goes on from there to the very losses it would have had.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as format_tensors

from infra.storage import atomic_write_bytes, disk_errors
from tasks.windows.reader import Position

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from torch import Tensor, nn


@dataclass(slots=True)
class Standing:
    """Everything that changes while a model is trained.

    `average` holds the averaged weights of the first module; `curves` one number a step and term.
    """

    modules: dict[str, nn.Module]
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor]
    rng: np.random.Generator
    curves: dict[str, list[float]]
    position: Position = field(default_factory=Position)
    step: int = 0
    seconds: float = 0.0  # of training, over all runs


def save_checkpoint(file: Path, standing: Standing, key: str) -> None:
    """Write where a run stands; `key` says of what run.

    Raises:
        DiskFullError: the disk is full.
    """
    facts = {
        "key": key,
        "step": standing.step,
        "seconds": standing.seconds,
        "position": asdict(standing.position),
        "rng": standing.rng.bit_generator.state,
        "curves": standing.curves,
    }
    tensors = {"torch_rng": torch.get_rng_state()}
    for name, module in standing.modules.items():
        tensors |= {f"{name}.{k}": v for k, v in module.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in standing.average.items()}
    for number, state in standing.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{k}": v for k, v in state.items()}
    whole = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(file, format_tensors(whole, metadata={"facts": json.dumps(facts)}))


def load_checkpoint(file: Path, standing: Standing, key: str, *, own: bool = True) -> bool:
    """Set a run to where a file says it stood; False, and nothing changed, if it says no such run.

    A file that is absent, damaged or of another run is no such file. Without `own`, as of another
    worker, its random states and position are left alone.
    """
    try:
        with safe_open(file, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {})["facts"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  no mapping
    except (OSError, SafetensorError, KeyError, ValueError):
        return False
    if facts["key"] != key:
        return False
    for name, module in standing.modules.items():
        module.load_state_dict(_below(name, tensors))
    for name, value in _below("average", tensors).items():
        standing.average[name].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimiser", tensors).items():
        number, _, field = name.partition(".")
        state.setdefault(int(number), {})[field] = value
    groups = standing.optimiser.state_dict()["param_groups"]
    standing.optimiser.load_state_dict({"state": state, "param_groups": groups})
    standing.step, standing.seconds = facts["step"], facts["seconds"]
    standing.curves.clear()
    standing.curves.update(facts["curves"])
    if own:
        _restore_chance(standing, facts, tensors)
    return True


def load_chance(file: Path, standing: Standing, key: str) -> bool:
    """Take random states and position alone from a file of the same run at the same step."""
    try:
        with safe_open(file, framework="pt") as opened:
            facts = json.loads((opened.metadata() or {})["facts"])
            tensors = {"torch_rng": opened.get_tensor("torch_rng")}
    except (OSError, SafetensorError, KeyError, ValueError):
        return False
    if facts["key"] != key or facts["step"] != standing.step:
        return False
    _restore_chance(standing, facts, tensors)
    return True


def _restore_chance(
    standing: Standing, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    standing.rng.bit_generator.state = facts["rng"]
    standing.position = Position(**facts["position"])
    torch.set_rng_state(tensors["torch_rng"])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): x for name, x in tensors.items() if name.startswith(start)}
