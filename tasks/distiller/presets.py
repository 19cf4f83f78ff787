"""Training presets of the distiller by name: how long, on what windows, how large a network.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.errors import UnknownPresetError

MODEL_NAME = "distiller"


@dataclass(frozen=True, slots=True)
class DistillerPreset:
    """Everything that decides a training run but its windows, threads and CPU.

    `network` names sizes in `models/distiller_config.py`. The defaults are the laptop's.
    """

    name: str
    network: Literal["ci", "laptop", "gpu"]
    steps: int  # of the optimiser
    window_steps: int = 8  # of the session grid
    stride: int = 2  # steps between the starts of windows: they overlap in training
    cameras: int = 8  # of a window at most
    batch: int = 8  # windows, over all workers
    targets: int = 2  # instants of a window that are made
    seed: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05  # of the steps, linear; then a cosine to zero
    clip_norm: float = 1.0
    ema: float = 0.99  # the averaged weights are what ships
    crossed_share: float = 0.5  # of windows of several cameras: the target is none of the inputs
    corrupted_share: float = 0.25  # of windows
    prediction: float = 0.25  # weight of the prediction of views that were taken away
    report_every: int = 10  # steps
    checkpoint_every_s: float = 60.0
    # How cameras become one: the late mean, which the combiner ("latents") has not beaten (0017).
    fusion: Literal["latents", "tokens", "mean", "sum", "concat"] = "mean"
    bf16: bool = True  # where the CPU has it; the smallest network gains nothing by it
    workers: int = 1  # processes that share each batch, by Ray Train

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: naming the field.
        """
        for field in ("steps", "stride", "cameras", "batch", "report_every", "workers"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be positive, got {getattr(self, field)}")
        if not 1 <= self.targets <= self.window_steps:
            raise ValueError(f"targets {self.targets} of a window of {self.window_steps}")
        if self.batch % self.workers:
            raise ValueError(f"a batch of {self.batch} is not divided by {self.workers} workers")


PRESETS: dict[str, DistillerPreset] = {
    preset.name: preset
    for preset in (
        DistillerPreset("ci", "ci", steps=160, window_steps=4, stride=1, cameras=4, bf16=False),
        DistillerPreset("laptop", "laptop", steps=300),
        DistillerPreset("gpu", "gpu", steps=100_000, window_steps=16, batch=64, ema=0.999),
        DistillerPreset(
            "ray", "gpu", steps=100_000, window_steps=16, batch=64, ema=0.999, workers=8
        ),
    )
}


def distiller_preset_named(name: str) -> DistillerPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r}; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --model distiller --preset laptop",
        )
    return PRESETS[name]
