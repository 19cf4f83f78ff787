"""Presets of the head of actions by name. Reads and writes nothing and needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import UnknownPresetError

MODEL_NAME = "action"


@dataclass(frozen=True, slots=True)
class ActionPreset:
    """How a head is trained: full batches, AdamW; `decay` pulls every weight to zero.

    `least_clips` is how many labelled clips a class must have, `most_classes` how many are learned.
    It is judged on at most `judged` windows of each session and class, beside peers that learn from
    as many: their codes are made for it, some 0.1 s a window and camera.
    """

    name: str
    steps: int = 300
    learning_rate: float = 1e-2
    decay: float = 0.3
    least_clips: int = 2
    most_classes: int = 1000
    seed: int = 0
    report_every: int = 20
    judged: int = 24


PRESETS = {
    one.name: one
    for one in (
        ActionPreset("ci", steps=120, judged=8),
        ActionPreset("laptop"),
        ActionPreset("gpu", steps=2000, decay=0.1, judged=200),
    )
}


def action_preset_named(name: str) -> ActionPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r}; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --model action --preset laptop",
        )
    return PRESETS[name]
