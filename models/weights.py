"""A model as two files: `weights.safetensors` and `config.json`. Never a pickle.

Writes and reads one folder. The config names the architecture and its version, carries every
field of the model's config and a digest over both files, checked on reading.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors

from models.action import ActionConfig, ActionHead
from models.depth import DepthConfig, DepthNet
from models.distiller import Distiller
from models.distiller_config import DistillerConfig
from models.espcn import Espcn, EspcnConfig
from models.fsrcnn import Fsrcnn, FsrcnnConfig
from models.manifold_encoder import ManifoldConfig, ManifoldEncoder
from models.student import Student, StudentConfig
from models.style import StyleConfig, StyleNet
from models.superresolution import SuperResolution, SuperResolutionConfig
from models.synthesis import Synthesis, SynthesisConfig

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

WEIGHTS_FILE = "weights.safetensors"
CONFIG_FILE = "config.json"


class UnknownArchitectureError(ValueError):
    """The files are whole, but of an architecture, or a version of one, not known here."""

    def __init__(self, folder: Path, architecture: str, version: object) -> None:
        self.architecture = architecture
        self.said = f"{architecture} version {version}"
        super().__init__(f"{folder} is {self.said}, which this code does not know")


class Architecture(NamedTuple):
    """A module class, its config class, and the version of what the weights mean."""

    module: type[nn.Module]
    config: type[Any]
    version: int


# Raise the version when equal weights would give other pictures.
ARCHITECTURES: dict[str, Architecture] = {
    "superresolution": Architecture(SuperResolution, SuperResolutionConfig, 1),
    "espcn": Architecture(Espcn, EspcnConfig, 1),
    "fsrcnn": Architecture(Fsrcnn, FsrcnnConfig, 1),
    "depth": Architecture(DepthNet, DepthConfig, 1),
    "distiller": Architecture(Distiller, DistillerConfig, 1),
    "manifold": Architecture(ManifoldEncoder, ManifoldConfig, 1),
    "action": Architecture(ActionHead, ActionConfig, 1),
    "student": Architecture(Student, StudentConfig, 1),
    "synthesis": Architecture(Synthesis, SynthesisConfig, 1),
    "style": Architecture(StyleNet, StyleConfig, 1),
}


def save(folder: Path, module: nn.Module) -> str:
    """Write the module into `folder`, created where missing; returns the digest (64 hex digits).

    Equal weights and config give equal bytes, so an equal digest.

    Raises:
        ValueError: if the module's class is not in `ARCHITECTURES`.
    """
    name = next((k for k, a in ARCHITECTURES.items() if type(module) is a.module), None)
    if name is None:
        raise ValueError(f"{type(module).__name__} is not in ARCHITECTURES of models/weights.py")
    # Canonical layout: channels_last strides would otherwise be written as another order.
    state = {k: v.detach().cpu().contiguous() for k, v in sorted(module.state_dict().items())}
    blob = format_tensors(state)
    config: dict[str, Any] = {
        "architecture": name,
        "version": ARCHITECTURES[name].version,
        "config": asdict(module.config),  # type: ignore[call-overload]  # every entry has one
    }
    digest = _digest(config, blob)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(blob)
    text = json.dumps({**config, "digest": digest}, indent=2, sort_keys=True) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return digest


def load(folder: Path, *, digest: str | None = None) -> nn.Module:
    """Read the module from `folder`, in evaluation mode, on the CPU, channels last.

    Raises:
        ValueError: if a file is missing or damaged, the digest (of the folder, or the one asked
            for) is not that of the files.
        UnknownArchitectureError: the architecture or its version is not known here.
    """
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        blob = (folder / WEIGHTS_FILE).read_bytes()
        stated = config.pop("digest")
        name, version, fields = config["architecture"], config["version"], config["config"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{folder} holds no model: {error}") from error
    found = _digest(config, blob)
    if found != stated or (digest is not None and found != digest):
        expected = stated if found != stated else digest
        raise ValueError(f"{folder} has digest {found}, not {expected}: it was changed")
    architecture = ARCHITECTURES.get(name)
    if architecture is None or architecture.version != version:
        raise UnknownArchitectureError(folder, name, version)
    try:
        module = architecture.module(architecture.config(**fields))
        module.load_state_dict(parse_tensors(blob))
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"the weights in {folder} do not fit its config: {error}") from error
    return module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # absent from torch's stub


def _digest(config: dict[str, Any], blob: bytes) -> str:
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical + b"\n" + blob).hexdigest()
