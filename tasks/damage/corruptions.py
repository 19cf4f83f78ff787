"""The corruptions: every kind of damage there is, its five severities, and which training sees.

The one source of them: training draws from `TRAINING`, robustness is judged by `CORRUPTIONS`
(MODELS section 7). Pure, but for what encodes video. What is done is in `tasks/damage/`, a file a
family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from infra.errors import UnknownCorruptionError
from tasks.damage import blur, coding, geometry, light, noise, timing
from tasks.damage.footage import Damaged, Footage, Pixels
from tasks.superresolution.presets import MODEL_NAMES as SUPER_RESOLUTIONS

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "CORE",
    "CORE_SEVERITIES",
    "CORRUPTIONS",
    "SEVERITIES",
    "TRAINING",
    "Corruption",
    "Damaged",
    "Footage",
    "corrupt",
    "corruption_named",
    "damage",
    "is_trained",
]

Scope = Literal["one", "all", "view"]
Family = Literal["noise", "blur", "codec", "light", "geometry", "time", "rig"]
Levels = tuple[float, float, float, float, float]
Damage: TypeAlias = Callable[[Pixels, float, Footage], Pixels | Damaged]


@dataclass(frozen=True, slots=True)
class Corruption:
    """One kind of damage: what it does at each of five severities.

    `unit` says what a level is. `scope` is whose pictures are damaged unless something else is
    asked for: `one` camera's, `all` cameras', or those of all as one `view` alone has them. What
    is done to a rig and not to pictures has no `damage`.
    """

    name: str
    family: Family
    levels: Levels
    unit: str
    damage: Damage | None
    scope: Scope = "all"

    def level(self, severity: int) -> float:
        """Return the level of a severity.

        Raises:
            UnknownCorruptionError: it is not 1 to 5.
        """
        if severity not in SEVERITIES:
            raise UnknownCorruptionError(
                f"There is no severity {severity}; there are {', '.join(map(str, SEVERITIES))}.",
                command="stillhouse evaluate --robustness core",
            )
        return self.levels[severity - 1]


SEVERITIES = (1, 2, 3, 4, 5)
# Rotation, a shifted clock and a missing camera are one camera's; a coarser one beside the others
# is what a mismatch is. The levels of noise are for pictures of 112 px, which is what codes are
# made of: a pixel of those is the mean of a hundred of the recording.
CORRUPTIONS: dict[str, Corruption] = {
    one.name: one
    for one in (
        Corruption("gauss", "noise", (0.04, 0.08, 0.12, 0.18, 0.26), "of white", noise.gauss),
        Corruption("shot", "noise", (60, 25, 12, 5, 3), "photons", noise.shot),
        Corruption("impulse", "noise", (0.03, 0.06, 0.09, 0.17, 0.27), "of values", noise.impulse),
        Corruption("speckle", "noise", (0.15, 0.2, 0.35, 0.45, 0.6), "of value", noise.speckle),
        Corruption("defocus", "blur", (0.01, 0.015, 0.02, 0.03, 0.04), "of side", blur.defocus),
        Corruption("motion", "blur", (0.04, 0.07, 0.1, 0.15, 0.2), "of side", blur.motion),
        Corruption("h264", "codec", (23, 30, 37, 44, 51), "CRF", coding.h264),
        Corruption("h265", "codec", (27, 33, 39, 45, 51), "CRF", coding.h265),
        Corruption(
            "bit_errors", "codec", (0.05, 0.1, 0.2, 0.4, 0.8), "bits a frame", coding.bit_errors
        ),
        Corruption("brightness", "light", (0.1, 0.2, 0.3, 0.4, 0.5), "of white", light.brightness),
        Corruption("contrast", "light", (0.75, 0.5, 0.4, 0.3, 0.15), "kept", light.contrast),
        Corruption("saturation", "light", (0.7, 0.5, 0.3, 0.15, 0.0), "kept", light.saturation),
        Corruption(
            "low_light", "light", (0.4, 0.25, 0.15, 0.08, 0.04), "of light", light.low_light
        ),
        Corruption("fog", "light", (0.3, 0.45, 0.6, 0.7, 0.8), "of fog", light.fog),
        Corruption("colour_cast", "light", (0.1, 0.2, 0.3, 0.4, 0.5), "of gain", light.colour_cast),
        Corruption("rotation", "geometry", (2, 5, 10, 15, 25), "degrees", geometry.rotation, "one"),
        Corruption(
            "occlusion", "geometry", (0.1, 0.2, 0.3, 0.4, 0.5), "of area", geometry.occlusion
        ),
        Corruption(
            "resolution", "geometry", (1.5, 2, 3, 4, 6), "times coarser", geometry.resolution, "one"
        ),
        Corruption("freeze", "time", (0.25, 0.375, 0.5, 0.625, 0.875), "frozen", timing.freeze),
        Corruption("sampling", "time", (2, 3, 4, 6, 8), "frames a frame", timing.sampling),
        Corruption("frame_drop", "time", (0.1, 0.25, 0.4, 0.55, 0.7), "lost", timing.frame_drop),
        Corruption("time_shift", "rig", (1, 2, 4, 8, 16), "frames", None, "one"),
        Corruption("view_drop", "rig", (1, 2, 3, 4, 5), "fifths of V-1 cameras", None, "one"),
    )
}
CORE = (
    "gauss",
    "h264",
    "motion",
    "low_light",
    "occlusion",
    "resolution",
    "time_shift",
    "frame_drop",
    "view_drop",
)
CORE_SEVERITIES = (1, 3, 5)

# What the distiller's training draws from, and between which levels; contrast may rise too.
TRAINING: dict[str, tuple[float, float]] = {
    "gauss": (0.02, 0.12),
    "defocus": (0.01, 0.03),
    "brightness": (0.0, 0.3),
    "contrast": (0.3, 1.5),
    "resolution": (1.7, 4.0),
}
# What else each model's training does under another name: the drop law takes cameras and frames
# away, augmentation multiplies colours; super-resolution is shown small copies made by blurred
# kernels, with noise and compressed, as stills or as H.264 (`degradations.py`).
ALSO_TRAINED: dict[str, frozenset[str]] = {
    "distiller": frozenset({*TRAINING, "frame_drop", "view_drop", "colour_cast"}),
    **dict.fromkeys(SUPER_RESOLUTIONS, frozenset({"gauss", "defocus", "h264"})),
    "synthesis": frozenset({"gauss", "defocus", "resolution"}),
}


def corruption_named(name: str) -> Corruption:
    """Return a corruption by its name.

    Raises:
        UnknownCorruptionError: naming those there are.
    """
    if name not in CORRUPTIONS:
        raise UnknownCorruptionError(
            f"There is no corruption {name!r}; there are {', '.join(CORRUPTIONS)}.",
            command="stillhouse evaluate --robustness core",
        )
    return CORRUPTIONS[name]


def is_trained(name: str, model: str) -> bool:
    """Tell whether training of a model sees a corruption, by whatever name."""
    return name in ALSO_TRAINED.get(model, frozenset())


def corrupt(frames: Pixels, name: str, severity: int, footage: Footage) -> Damaged:
    """Return one camera's frames (T, H, W, 3) uint8 after damage; severity 0 is none.

    Frames may come in any order; each is damaged as it would be beside any others, but by what
    has to do with time: an encoder and a held frame know what was given before. The given frames
    stay as they are.

    Raises:
        UnknownCorruptionError: no such corruption or severity.
        ValueError: the frames are not such, or the corruption is of a rig.
    """
    one = corruption_named(name)
    return damage(frames, one, one.level(severity) if severity else None, footage)


def damage(frames: Pixels, one: Corruption, level: float | None, footage: Footage) -> Damaged:
    """Do the same at any level; None is no damage.

    Raises:
        ValueError: the frames are not such, or the corruption is of a rig.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"needs (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}")
    if len(frames) != len(footage.numbers):
        raise ValueError(f"{len(frames)} frames with {len(footage.numbers)} numbers")
    if one.damage is None:
        raise ValueError(f"{one.name} is done to a rig, not to pictures")
    if level is None or not len(frames):
        return Damaged(frames.copy(), np.ones(len(frames), bool))
    order = np.argsort(footage.numbers)
    numbers = tuple(footage.numbers[k] for k in order)
    found = one.damage(frames[order], level, Footage(footage.recording, footage.camera, numbers))
    if not isinstance(found, Damaged):
        found = Damaged(found, np.ones(len(frames), bool))
    back: npt.NDArray[np.int64] = np.argsort(order)
    return Damaged(found.frames[back], found.usable[back])
