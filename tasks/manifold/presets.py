"""Presets of the manifold's encoder by name: of what windows, read off how, trained how long.

Reads and writes nothing and needs no torch, so that flows and commands may list them.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import UnknownPresetError

MODEL_NAME = "manifold"
# What it looks at. Not sound and text, which are the session's; nor depth, which a calibrated
# camera's window may have of the others' pictures, and which no clip should wait for.
VIEWS = ("rgb", "flow", "silhouette", "skeleton", "appearance")
METHODS = ("mcca", "isomap", "ltsa", "lle", "mds")


@dataclass(frozen=True, slots=True)
class ManifoldPreset:
    """Everything that decides a manifold but its windows, threads and CPU.

    Of several `methods` the one whose encoder finds most in validation is taken, fitted and
    trained again on all windows; where nothing can be validated it is the first.
    """

    name: str
    window_steps: int = 8  # of the session grid
    stride: int = 4  # steps between the starts of windows: they overlap in training
    cameras: int = 8  # of a window at most
    per_session: int = 400  # windows at most: a long session would be all there is
    methods: tuple[str, ...] = METHODS
    dims: int = 32  # of the coordinates; LLE and LTSA have `patch_dims`
    patch_dims: int = 8  # fewer than a node has neighbours
    neighbours: int = 10
    cross: float = 0.1  # length of an edge between synchronised nodes, in typical edges
    steps: int = 600  # of the optimiser, for each encoder
    seed: int = 0
    report_every: int = 20  # steps
    bf16: bool = False  # an encoder of pooled numbers is too small to gain by it

    def __post_init__(self) -> None:
        """Refuse what cannot be made.

        Raises:
            ValueError: naming the field.
        """
        for field in ("window_steps", "stride", "cameras", "per_session", "dims", "steps"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be positive, got {getattr(self, field)}")
        if not self.methods or set(self.methods) - set(METHODS):
            raise ValueError(f"methods must be of {METHODS}, got {self.methods}")
        if not 0 < self.patch_dims < self.neighbours:
            raise ValueError(f"patch_dims {self.patch_dims} of {self.neighbours} neighbours")


PRESETS: dict[str, ManifoldPreset] = {
    preset.name: preset
    for preset in (
        ManifoldPreset("ci", window_steps=4, stride=2, cameras=4, per_session=100, steps=200),
        ManifoldPreset("laptop"),
    )
}


def manifold_preset_named(name: str) -> ManifoldPreset:
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
