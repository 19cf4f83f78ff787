"""Training presets by name: how long, on what shapes, how large a network.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from infra.errors import UnknownPresetError

MODEL_NAME = "super-resolution"


def model_name(scale: Literal[2, 4], *, reference: bool = False) -> str:
    """Return the name in the registry of the network of that scale, of one source or several."""
    enlarged = "" if scale == 2 else f"-x{scale}"
    return f"{MODEL_NAME}{enlarged}{'-references' if reference else ''}"


# Of one source, x2, comes first: what is meant where no other is named.
MODEL_NAMES = (
    MODEL_NAME,
    model_name(4),
    model_name(2, reference=True),
    model_name(4, reference=True),
)


@dataclass(frozen=True, slots=True)
class TrainPreset:
    """Everything that decides a training run but its windows, threads and CPU.

    Pixels are of the large (true) side. The defaults are the laptop's.
    """

    name: str
    steps: int  # of the optimiser
    windows: int  # cut from the training clips, kept in memory
    steps_per_window: int  # frames
    crop: int = 96  # px, side of a stored window
    seed: int = 0
    batch: int = 4
    frames: int = 3  # the recurrence is unrolled over; <= steps_per_window
    patch: int = 64  # px, side of what a step sees; <= crop
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05  # of the steps, linear; then a cosine to zero
    clip_norm: float = 1.0
    ema: float = 0.99  # the averaged weights are what ships
    consistency: float = 0.1  # weight of the frame-difference loss
    bi_share: float = 0.5  # of the samples get the headline's degradation, the others a random one
    report_every: int = 20  # steps
    scale: Literal[2, 4] = 2
    width: int = 32
    hidden: int = 48
    layers: int = 5
    reference: bool = False  # whether it learns to look at another camera's frames

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit into each other.

        Raises:
            ValueError: naming the sizes.
        """
        if not 2 <= self.frames <= self.steps_per_window:
            raise ValueError(f"frames {self.frames} of a window of {self.steps_per_window}")
        if self.patch > self.crop or self.patch % self.scale:
            raise ValueError(f"patch {self.patch} of a crop of {self.crop}, scale {self.scale}")
        if min(self.steps, self.windows, self.batch, self.report_every) < 1:
            raise ValueError("steps, windows, batch and report_every must be positive")


PRESETS: dict[str, TrainPreset] = {
    preset.name: preset
    for preset in (
        TrainPreset("ci", steps=250, windows=96, steps_per_window=5),
        TrainPreset("laptop", steps=1600, windows=480, steps_per_window=5),
        TrainPreset(
            "gpu",
            steps=60_000,
            windows=4_000,
            steps_per_window=12,
            crop=256,
            batch=32,
            frames=10,
            patch=192,
            learning_rate=1e-3,
            ema=0.999,
            width=96,
            hidden=64,
            layers=8,
        ),
    )
}


def preset_named(name: str) -> TrainPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r}; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --preset laptop",
        )
    return PRESETS[name]


def variant(preset: TrainPreset, scale: Literal[2, 4], *, reference: bool = False) -> TrainPreset:
    """Return a preset for another scale, or for a network that looks at other cameras.

    At x4 a step sees all of a stored window: 64 px would be 16 small ones, fewer than two reaches.
    """
    patch = preset.patch if scale == 2 else preset.crop
    return replace(preset, scale=scale, patch=patch, reference=reference)
