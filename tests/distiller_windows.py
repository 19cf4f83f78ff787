"""Windows of noise with the shapes of the contract, for the tests of the distiller."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.window_tensors import TENSORS, TensorSpec

STEP_NS = 80_000_000


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
