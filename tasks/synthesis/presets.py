"""Training presets of synthesis by name: how long, on how much, how large a network.

Reads and writes nothing and needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import UnknownPresetError

MODEL_NAME = "synthesis"
# The shorter side of pictures that are learned from and judged: levels of damage are shares of it.
SIDE = 144
# Pictures of rigs are squares of the side that windows have.
RIG_SIDE = 112


@dataclass(frozen=True, slots=True)
class SynthesisPreset:
    """Everything that decides a training run but its material, threads and CPU.

    `pictures` are true pictures for each task, `copies` the damaged copies that are made of each.
    The defaults are the laptop's.
    """

    name: str
    steps: int  # of the optimiser, over all tasks together
    pictures: int
    copies: int = 6
    seed: int = 0
    batch: int = 4
    patch: int = 48  # px, even
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.05
    clip_norm: float = 1.0
    ema: float = 0.99
    estimate: float = 1e-3  # weight of the loss of estimated errors, per decibel
    report_every: int = 20
    width: int = 32
    blocks: int = 2

    def __post_init__(self) -> None:
        """Refuse what trains nothing.

        Raises:
            ValueError: naming the field.
        """
        if self.patch < 8 or self.patch % 2:
            raise ValueError(f"patch must be even and at least 8, got {self.patch}")
        if self.copies < 2:
            raise ValueError(f"copies must be at least 2, got {self.copies}")
        if min(self.steps, self.pictures, self.batch, self.report_every) < 1:
            raise ValueError("steps, pictures, batch and report_every must be positive")


PRESETS: dict[str, SynthesisPreset] = {
    preset.name: preset
    for preset in (
        SynthesisPreset("ci", steps=200, pictures=48, copies=4),
        SynthesisPreset("laptop", steps=2400, pictures=240),
        SynthesisPreset(
            "gpu",
            steps=60_000,
            pictures=4_000,
            copies=12,
            batch=32,
            patch=96,
            learning_rate=1e-3,
            ema=0.999,
            width=96,
            blocks=6,
        ),
    )
}


def preset_named(name: str) -> SynthesisPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r}; there are {', '.join(PRESETS)}.",
            command=f"stillhouse distill --model {MODEL_NAME} --preset laptop",
        )
    return PRESETS[name]
