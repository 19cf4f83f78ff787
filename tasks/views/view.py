"""The protocol of a view: what it needs, what it computes from a decoded clip, how it is drawn.

Reads and writes nothing itself. A view declares the pictures it wants (`Scale`) at the least size
it can use; extraction decodes a clip once for the union of all views' wishes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.decode import Scale

    Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a feature: its name, shape per grid step, and dtype as stored.

    An int8 array holds `value / scale`, one scale per array and clip, kept in the row.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def step_bytes(self) -> int:
        """Bytes of one grid step."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What a view is: enough to plan, key and read its features without computing one.

    `cost_ms` is the CPU of one grid step, measured, for estimates; it is no part of the version.
    """

    name: str
    parameters: Mapping[str, int | str]
    scales: tuple[Scale, ...]
    arrays: tuple[ArraySpec, ...]
    assets: tuple[str, ...] = ()
    cost_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One clip of one camera on the session grid.

    `images` maps a scale's name to uint8 (T, H, W) or (T, H, W, 3); `times_ns` (T,) are the
    grid's instants on the session clock, `present` (T,) bool tells where a frame was shown.
    """

    times_ns: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]
    images: Mapping[str, npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Feature:
    """What one view says of one clip through one camera.

    `arrays` are (T, *shape) in the stored dtype, in the order of the spec; `scales` turn integers
    into values; `mask` (T,) is True where a step is present and usable; `vector` is the clip's
    global vector, float32, or None.

    Raises:
        ValueError: if the arrays do not share T with the mask.
    """

    arrays: tuple[Array, ...]
    scales: tuple[float, ...]
    mask: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float32] | None = field(default=None)

    def __post_init__(self) -> None:
        lengths = [len(array) for array in self.arrays]
        if any(length != len(self.mask) for length in lengths):
            raise ValueError(f"arrays of {lengths} steps beside a mask of {len(self.mask)}")


class View(Protocol):
    """A view loaded and ready: one object may serve several threads at once."""

    def compute(self, clip: DecodedClip) -> Feature:
        """Describe one clip. Equal input gives equal output, whatever else is computed."""

    def draw(self, feature: Feature, step: int) -> npt.NDArray[np.uint8]:
        """Return an rgb picture (h, w, 3) of one step for people to look at."""


class ViewKind(Protocol):
    """The module-level entry of a view in `VIEWS`."""

    @property
    def spec(self) -> ViewSpec:
        """What the view is."""

    def prepare(self, assets: Path) -> None:
        """Do once, in the driver, what every worker would otherwise repeat (convert weights).

        Raises:
            AssetMissingError: with the command that brings the asset.
        """

    def load(self, assets: Path, threads: int) -> View:
        """Return the view ready to compute in this process with up to `threads` callers."""


def quantise(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], float]:
    """Return values as int8 and the scale that gives them back: `int8 * scale`.

    The scale is the largest magnitude / 127, so nothing is clipped and the error is at most half
    a scale; all zeros give scale 1.
    """
    peak = float(np.abs(values).max()) if values.size else 0.0
    scale = peak / 127 if peak else 1.0
    return np.rint(values / scale).astype(np.int8), scale
