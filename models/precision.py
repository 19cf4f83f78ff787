"""Which arithmetic this CPU is good at. Reads the CPU's feature flags through torch."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["bf16", "fp32"]


def cpu_precision() -> Precision:
    """bf16 where the CPU multiplies it natively (amx_bf16 or avx512_bf16), else fp32.

    Measured on the 3x3 convolutions here: bf16 takes half the time with avx512_bf16 (Zen), an
    eighth with AMX; without either torch emulates it, slower than fp32.
    """
    flags = torch.cpu.get_capabilities()
    return "bf16" if flags.get("amx_bf16") or flags.get("avx512_bf16") else "fp32"


def precision_of(*, bf16: bool) -> Precision:
    """The arithmetic of a preset: bf16 where it is wanted and the CPU has it, else fp32."""
    return cpu_precision() if bf16 else "fp32"


def autocast(precision: Precision) -> torch.autocast:
    """Context in which convolutions run in `precision`; with fp32 it changes nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
