"""Windows of noise with the shapes of the contract, and the comparison of two codes."""

from __future__ import annotations

import torch
from torch import Tensor

from models.distiller import Distiller, Encoded, Query
from tasks.windows.tensors import TENSORS, TensorSpec

STEP_NS = 80_000_000
PER_CAMERA = ("rgb", "appearance", "flow", "silhouette", "skeleton", "depth")
SHARED = ("audio", "text")


def noise_windows(batch: int, cameras: int, steps: int, seed: int = 0) -> dict[str, Tensor]:
    """Every tensor of the contract is there, but appearance at every second step only."""
    generator = torch.Generator().manual_seed(seed)
    windows: dict[str, Tensor] = {}
    for name, spec in TENSORS.items():
        lead = (batch,) if spec.shared else (batch, cameras)
        lead = (*lead, steps) if spec.stepped else lead
        x = torch.rand(*lead, *spec.shape, generator=generator)
        windows[name] = (x * 255).to(torch.uint8) if spec.dtype == "uint8" else x.to(_float(spec))
        windows[f"mask_{name}"] = torch.ones(lead, dtype=torch.bool)
    windows["mask_appearance"][:, :, 1::2] = False
    windows["camera"] = torch.randn(batch, cameras, 12, generator=generator)
    windows["camera_known"] = torch.ones(batch, cameras, dtype=torch.bool)
    windows["t_ns"] = (torch.arange(steps) * STEP_NS).expand(batch, cameras, steps).clone()
    return windows


def _float(spec: TensorSpec) -> torch.dtype:
    return getattr(torch, spec.dtype)  # type: ignore[no-any-return]  # a name of torch


def query_of(windows: dict[str, Tensor], camera: int, steps: list[int]) -> Query:
    """Ask for a camera of each window, at some of its steps."""
    return Query(
        windows["camera"][:, camera],
        windows["camera_known"][:, camera],
        windows["t_ns"][:, camera][:, steps],
        windows["slot"][:, camera] if "slot" in windows else None,
    )


def tensors_of(encoded: Encoded) -> list[Tensor]:
    """Return every tensor of a code, flat."""
    rest = [x for x in encoded[1:] if isinstance(x, torch.Tensor)]
    return [*encoded.symbols, *rest]


@torch.no_grad()
def equal(net: Distiller, one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two windows have the same code, bit by bit."""
    pairs = zip(tensors_of(net.encode(one)), tensors_of(net.encode(other)), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
