"""Which frames are damaged, and the chance that belongs to each of them.

Reads and writes nothing. A draw is a function of the recording, the camera, the frame's number and
what it is for, never of its neighbours, so a frame is damaged alike in every batch and every order.
Severity has no part in it: a stronger noise is the same noise made stronger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.ids import digest

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Footage:
    """Frames of one camera: what they are of, and their numbers on the recording's own count.

    Raises:
        ValueError: a number comes twice.
    """

    recording: str
    camera: str
    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.numbers)) < len(self.numbers):
            raise ValueError(f"frames of {self.recording}/{self.camera} come twice: {self.numbers}")

    def of_camera(self, purpose: str) -> np.random.Generator:
        """Return the chance of what is the same in all frames, such as a direction."""
        return np.random.default_rng(_seed(self.recording, self.camera, purpose))

    def of_frame(self, k: int, purpose: str) -> np.random.Generator:
        """Return the chance of the k-th frame here."""
        return np.random.default_rng(_seed(self.recording, self.camera, self.numbers[k], purpose))


def _seed(*parts: str | int) -> int:
    return int(digest("damage", *parts)[:16], 16)


@dataclass(frozen=True, slots=True)
class Damaged:
    """Frames (T, H, W, 3) after damage, and which of them are there at all, (T,)."""

    frames: Pixels
    usable: Bools


def to_light(frames: Pixels) -> Floats:
    """Bytes -> 0..1."""
    return frames.astype(np.float32) / np.float32(255)


def to_bytes(light: npt.NDArray[np.floating]) -> Pixels:
    """Return about 0..1 as bytes, clipped and rounded."""
    return np.asarray(np.rint(light.clip(0, 1) * 255), np.uint8)
