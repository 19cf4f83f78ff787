"""Training presets of the student by name: how long, on what windows, how large a picture.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.errors import UnknownPresetError

MODEL_NAME = "student"


@dataclass(frozen=True, slots=True)
class StudentPreset:
    """Everything that decides a training run but its teacher, windows, threads and CPU.

    `network` names sizes in `models/student.py`. The defaults are the laptop's.
    """

    name: str
    network: Literal["ci", "laptop"]
    steps: int  # of the optimiser
    window_steps: int = 8  # of the session grid
    stride: int = 2  # steps between the starts of windows: they overlap in training
    cameras: int = 4  # of a window at most
    batch: int = 8  # windows
    seed: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05  # of the steps, linear; then a cosine to zero
    clip_norm: float = 1.0
    ema: float = 0.99  # the averaged weights are what ships
    corrupted_share: float = 0.25  # of windows
    report_every: int = 10  # steps
    checkpoint_every_s: float = 60.0
    bf16: bool = True  # where the CPU has it

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: naming the field.
        """
        for field in ("steps", "window_steps", "stride", "cameras", "batch", "report_every"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be positive, got {getattr(self, field)}")


PRESETS: dict[str, StudentPreset] = {
    preset.name: preset
    for preset in (
        StudentPreset("ci", "ci", steps=160, window_steps=4, stride=1, bf16=False),
        StudentPreset("laptop", "laptop", steps=600),
    )
}


def student_preset_named(name: str) -> StudentPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r} of the student; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --model student --preset laptop",
        )
    return PRESETS[name]
