"""The protocol of a view: what it needs, what it computes from a decoded clip, how it is drawn.

Reads and writes nothing itself. A view declares the pictures it wants (`Scale`) at the least size
it can use; extraction decodes a clip once for the union of all views' wishes. How a feature's
arrays lie in its row is in `packing.py`; views of several cameras are in `rig.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.decode import Scale
    from tasks.recordings.sound import Sound
    from tasks.recordings.words import Words

    Array = npt.NDArray[np.generic]

T = TypeVar("T")
# What a feature may depend on besides the recording: facts that can change under the same bytes.
Given = Literal["", "labels", "calibration"]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a feature: its name, shape per grid step, and dtype.

    An int8 array holds `value / scale`, one scale per array and clip, kept in the row. `coding`
    says how it lies in the row: its bytes as they are, a bool array as `bits`, or uint8 (H, W, 3)
    pictures as `jpeg`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    coding: Literal["raw", "bits", "jpeg"] = "raw"


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """What a view is: enough to plan, key and read its features without computing one.

    It is computed from `scales` (pictures), `sound`, `words`, or from the features of other views
    of the same clip (`inputs`: a view of a rig, see `rig.py`). `model` is the registered model
    whose champion it runs. `given` says what it depends on that is not content. `cost_ms` is the
    CPU of one grid step, measured, for estimates; it is no part of the version.
    """

    name: str
    parameters: Mapping[str, int | float | str]
    scales: tuple[Scale, ...]
    arrays: tuple[ArraySpec, ...]
    assets: tuple[str, ...] = ()
    cost_ms: float = 0.0
    sound: bool = False
    words: bool = False
    model: str | None = None
    inputs: tuple[str, ...] = ()
    given: Given = ""


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """One clip of one camera on the session grid.

    `images` maps a scale's name to uint8 (T, H, W) or (T, H, W, 3); `times_ns` (T,) are the
    grid's instants on the session clock, `present` (T,) bool tells where a frame was shown.
    `size` is the recording's (width, height) in pixels as displayed: pictures are squashed.
    `sound` and `words` are there where a view of the clip wants them and the recording has them.
    """

    times_ns: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]
    images: Mapping[str, npt.NDArray[np.uint8]]
    size: tuple[int, int] = (1, 1)
    sound: Sound | None = None
    words: Words | None = None
    clock: Callable[[], float] = time.thread_time
    shared_s: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _made: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` gives, made at the first call for `key`: views share such work.

        Its CPU seconds by `clock` are in `shared_s`, so that no one view is charged with them.
        """
        if key not in self._made:
            since = self.clock()
            self._made[key] = make()
            self.shared_s[key] = self.clock() - since
        made: T = self._made[key]  # type: ignore[assignment]  # one key, one type
        return made


@dataclass(frozen=True, slots=True)
class Feature:
    """What one view says of one clip through one camera.

    `arrays` are (T, *shape) in the spec's dtypes and order; `scales` turn integers into values;
    `mask` (T,) is True where a step is present and usable; `vector` is the clip's global vector,
    float32, or None. Where nothing is usable `absent` says why, and only there.

    Raises:
        ValueError: if the arrays do not share T with the mask, or absence is not said.
    """

    arrays: tuple[Array, ...]
    scales: tuple[float, ...]
    mask: npt.NDArray[np.bool_]
    vector: npt.NDArray[np.float32] | None = None
    absent: str | None = None

    def __post_init__(self) -> None:
        lengths = [len(array) for array in self.arrays]
        if any(length != len(self.mask) for length in lengths):
            raise ValueError(f"arrays of {lengths} steps beside a mask of {len(self.mask)}")
        if bool(self.absent) == bool(self.mask.any()):
            raise ValueError(f"{int(self.mask.sum())} steps are usable, absent: {self.absent!r}")


def absent(spec: ViewSpec, steps: int, why: str) -> Feature:
    """Return the feature of a clip that nothing can be said of: all masked, and why."""
    arrays = tuple(np.zeros((steps, *one.shape), one.dtype) for one in spec.arrays)
    return Feature(arrays, (1.0,) * len(arrays), np.zeros(steps, bool), absent=why)


class Drawn(Protocol):
    """What can be looked at."""

    def draw(
        self, feature: Feature, step: int, backdrop: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return an rgb picture (h, w, 3) of one step for people to look at.

        `backdrop` is the picture that the camera saw, uint8 (h, w, 3) of any size; a view that is
        a map by itself leaves it alone.
        """


class View(Drawn, Protocol):
    """A view loaded and ready: one object may serve several threads at once."""

    def compute(self, clip: DecodedClip) -> Feature:
        """Describe one clip. Equal input gives equal output, whatever else is computed."""


class ViewKind(Protocol):
    """The module-level entry of a view in `VIEWS`.

    `weights` maps each asset of its spec, and its model, to a digest; a model that has no
    champion to "".
    """

    @property
    def spec(self) -> ViewSpec:
        """What the view is."""

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:
        """Do once, in the driver, what every worker would otherwise repeat (convert weights).

        Raises:
            AssetMissingError: with the command that brings the asset.
        """

    def load(self, assets: Path, threads: int, weights: Mapping[str, str]) -> View:
        """Return the view ready to compute in this process with up to `threads` callers."""


def quantise(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], float]:
    """Return values as int8 and the scale that gives them back: `int8 * scale`.

    The scale is the largest magnitude / 127, so nothing is clipped and the error is at most half
    a scale; all zeros give scale 1.
    """
    peak = float(np.abs(values).max()) if values.size else 0.0
    scale = peak / 127 if peak else 1.0
    return np.rint(values / scale).astype(np.int8), scale
