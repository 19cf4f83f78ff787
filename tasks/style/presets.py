"""Training presets of *style* by name, and the names of the styles themselves.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import UnknownPresetError

MODEL_NAME = "style"
# Name -> number in the teacher. Of its 26, which came without names, those in which people and
# things stay recognisable.
STYLES = {
    "pastel": 0,
    "ink": 1,
    "crayon": 8,
    "sepia": 10,
    "comic": 13,
    "crackle": 15,
    "night": 19,
    "oil": 25,
}


@dataclass(frozen=True, slots=True)
class StylePreset:
    """Everything that decides a training run but its windows, teacher, threads and CPU.

    The defaults are the laptop's.
    """

    name: str
    steps: int  # of the optimiser
    windows: int = 480  # pairs of frames cut from the training clips, kept in memory
    textures: int = 24  # pictures of each kind of texture whose codes are learned
    frames: int = 48  # frames of the training clips whose codes are learned
    crop: int = 128  # px, side of what a step sees
    shift: int = 4  # px, how far the second crop of a pair lies from the first at most
    noise: float = 0.03  # of 1, standard deviation of the second crop's noise at most
    batch: int = 2  # pairs
    named_share: float = 0.6  # of the pairs; the others learn a picture's code
    consistency: float = 1.0  # weight of the frame-difference loss
    slopes: float = 1.0  # weight of the loss of slopes between neighbours: where strokes begin
    grams: float = 0.3  # weight of the Gram distance to what the teacher paints: what strokes are
    styles: tuple[str, ...] = tuple(STYLES)  # those that are learned by name
    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.03  # of the steps, linear; then a cosine to zero
    clip_norm: float = 1.0
    ema: float = 0.99  # the averaged weights are what ships
    report_every: int = 20  # steps
    width: int = 32
    blocks: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            ValueError: naming the field.
        """
        for field in ("steps", "windows", "textures", "frames", "batch", "report_every"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be positive, got {getattr(self, field)}")
        if self.crop < 32 or self.crop % 4 or not 0 <= self.shift < self.crop // 4:
            raise ValueError(f"a crop of {self.crop} px shifted by {self.shift}")
        weights = self.consistency, self.slopes, self.grams, self.noise
        if not 0 <= self.named_share <= 1 or min(weights) < 0:
            raise ValueError(f"{self.named_share}, {weights}")
        if not self.styles or not set(self.styles) <= set(STYLES):
            raise ValueError(f"styles are of {', '.join(STYLES)}, got {self.styles}")


PRESETS: dict[str, StylePreset] = {
    preset.name: preset
    for preset in (
        StylePreset(
            "ci", steps=220, windows=96, textures=6, frames=12, batch=2, crop=96, shift=3,
            named_share=0.75, learning_rate=3e-3, styles=("pastel", "ink", "comic"),
        ),
        StylePreset("laptop", steps=1_100),
        StylePreset(
            "gpu", steps=60_000, windows=4_000, textures=400, frames=2_000, crop=256, batch=16,
            ema=0.999, learning_rate=1e-3, width=64, blocks=5,
        ),
    )
}  # fmt: skip


def style_preset_named(name: str) -> StylePreset:
    """Return the preset of that name.

    Raises:
        UnknownPresetError: if there is none.
    """
    if name not in PRESETS:
        raise UnknownPresetError(
            f"There is no preset {name!r} of style; there are {', '.join(PRESETS)}.",
            command="stillhouse distill --model style --preset laptop",
        )
    return PRESETS[name]
