"""Train the super-resolution network on windows of real video; a generator of progress.

Reads an array of high-resolution windows, writes nothing: it yields `Progress` and, last,
`Trained`. Equal windows, preset, seed, threads and CPU features give equal weights.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from infra.errors import TrainingDivergedError, UnknownPresetError
from models.losses import video_loss
from models.superresolution import SuperResolution, SuperResolutionConfig
from tasks.degradations import RandomDegradation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from torch import Tensor

Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True)
class TrainPreset:
    """How long and on what shapes to train; sizes are of the high-resolution side."""

    steps: int
    batch: int = 8
    frames: int = 5  # steps the recurrence is unrolled over
    crop_px: int = 96
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05  # of the steps, linear; cosine to zero afterwards
    clip_norm: float = 1.0
    ema: float = 0.99  # the averaged weights are what ships
    consistency: float = 0.1  # weight of the frame-difference loss
    report_every: int = 20  # steps
    candidates: int = 1
    model: SuperResolutionConfig = field(default_factory=SuperResolutionConfig)
    degradation: RandomDegradation = field(default_factory=RandomDegradation)


@dataclass(frozen=True)
class Progress:
    """Where a run stands. `loss` is the mean since the last report."""

    step: int
    steps: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """The averaged weights and how they came about."""

    state: dict[str, npt.NDArray[np.float32]]
    config: SuperResolutionConfig
    losses: list[float]  # of every step
    seconds: float
    precision: Precision
    threads: int
    seed: int

    def module(self) -> SuperResolution:
        """The network with these weights, for use rather than training."""
        model = SuperResolution(self.config)
        model.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in self.state.items()})
        return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stub lacks the one-argument form


PRESETS: dict[str, TrainPreset] = {
    "ci": TrainPreset(steps=60),
    "laptop": TrainPreset(steps=600),
    "gpu": TrainPreset(steps=60_000, batch=32, frames=10, crop_px=192),
}


def cpu_precision() -> Precision:
    raise NotImplementedError


def train_superresolution(windows, preset, seed=0, threads=1, precision="bf16"):
    rng = np.random.default_rng(seed)
    torch.set_num_threads(threads)
    g = torch.Generator().manual_seed(seed)
    model = SuperResolution(preset.model).to(memory_format=torch.channels_last)
    model.init_weights(g)
    opt = torch.optim.AdamW(model.parameters(), lr=preset.learning_rate, betas=(0.9, 0.95), weight_decay=preset.weight_decay)
    ema = {k: v.detach().clone() for k, v in model.state_dict().items()}
    t0 = time.monotonic(); losses = []; prof = [0., 0.]
    for step in range(preset.steps):
        for gr in opt.param_groups: gr["lr"] = preset.learning_rate * _sched(step, preset)
        a = time.monotonic()
        hr = _batch(windows, preset, rng)
        lr = preset.degradation(hr, preset.model.scale, rng)
        prof[0] += time.monotonic() - a
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            y = model(lr)
        loss = video_loss(y, hr, consistency=preset.consistency)
        opt.zero_grad(set_to_none=True); loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), preset.clip_norm)
        opt.step()
        d = min(preset.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in model.state_dict().items(): ema[k].lerp_(v, 1 - d)
        losses.append(loss.item())
    s = time.monotonic() - t0
    return Trained({k: v.numpy() for k, v in ema.items()}, preset.model, losses, s, precision, threads, seed), prof[0]


def _sched(step, p):
    w = max(1, round(p.steps * p.warmup_share))
    if step < w: return (step + 1) / w
    return 0.5 * (1 + math.cos(math.pi * (step - w) / max(1, p.steps - w)))


def _batch(windows, p, rng):
    n, t, h, w, _ = windows.shape
    out = []
    for _ in range(p.batch):
        best = None
        for _c in range(p.candidates):
            i = rng.integers(n); s = rng.integers(t - p.frames + 1); y = rng.integers(h - p.crop_px + 1); x = rng.integers(w - p.crop_px + 1)
            c = windows[i, s:s + p.frames, y:y + p.crop_px, x:x + p.crop_px]
            if p.candidates > 1:
                q = c[0, :, :, 1].astype(np.int16); v = np.abs(np.diff(q, axis=0)).mean() + np.abs(np.diff(q, axis=1)).mean()
            else: v = 0
            if best is None or v > best[0]: best = (v, c)
        c = best[1]
        if rng.random() < .5: c = c[:, ::-1]
        if rng.random() < .5: c = c[:, :, ::-1]
        if rng.random() < .5: c = c.transpose(0, 2, 1, 3)
        if rng.random() < .5: c = c[::-1]
        out.append(c)
    return torch.from_numpy(np.stack(out)).permute(0, 1, 4, 2, 3).float().contiguous() / 255
