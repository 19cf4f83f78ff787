"""Presets of the depth network by name: how many scenes, how long, how large a network.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import UnknownPresetError

MODEL_NAME = "depth"


@dataclass(frozen=True, slots=True)
class DepthPreset:
    """Everything that decides a training run but its threads and CPU. Defaults are the laptop's.

    `world_scenes` are of our own renderer, `engine_scenes` of pybullet's (extra `render`).
    """

    name: str
    steps: int  # of the optimiser
    world_scenes: int
    engine_scenes: int
    views: int = 6  # pictures of a scene
    seed: int = 0
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_share: float = 0.05  # of the steps, linear; then a cosine to zero
    clip_norm: float = 1.0
    ema: float = 0.995  # the averaged weights are what ships
    gradient: float = 0.5  # weight of the gradient loss
    confidence: float = 0.1  # weight of the confidence's likelihood
    anchor: float = 0.1  # weight of the distance from the normalised truth itself
    report_every: int = 50  # steps
    channels: tuple[int, int, int, int] = (16, 32, 64, 128)
    blocks: int = 1

    def __post_init__(self) -> None:
        """Refuse what gives no pictures.

        Raises:
            ValueError: naming the field.
        """
        if min(self.steps, self.views, self.batch, self.report_every) < 1:
            raise ValueError("steps, views, batch and report_every must be positive")
        if min(self.world_scenes, self.engine_scenes) < 0 or not self.scenes:
            raise ValueError("world_scenes and engine_scenes must be some scenes")

    @property
    def scenes(self) -> int:
        """Scenes of both renderers."""
        return self.world_scenes + self.engine_scenes


PRESETS: dict[str, DepthPreset] = {
    preset.name: preset
    for preset in (
        DepthPreset("ci", steps=200, world_scenes=32, engine_scenes=0, views=4, batch=16, ema=0.98),
        DepthPreset("laptop", steps=3200, world_scenes=300, engine_scenes=600),
        DepthPreset(
            "gpu",
            steps=60_000,
            world_scenes=4_000,
            engine_scenes=12_000,
            batch=64,
            learning_rate=1e-3,
            ema=0.999,
            channels=(32, 48, 96, 128),
            blocks=2,
        ),
    )
}


def depth_preset_named(name: str) -> DepthPreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r} of the depth network; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --model depth --preset laptop",
        )
    return PRESETS[name]
