"""The protocol of views that need several calibrated cameras: computed from other views' features.

Reads and writes nothing itself. No video is decoded for them: `inputs` of the spec names the views
whose stored features they are computed from, after those are there. Only sessions that have a
calibration have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.views.view import Drawn, Feature

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from tasks.rigs.calibration import CameraModel
    from tasks.views.view import ViewSpec


@dataclass(frozen=True, slots=True)
class RigClip:
    """One clip through all its cameras on the session grid.

    `cameras` are the calibrated ones, at the size their calibration is for; `sizes` are all
    cameras' (width, height) in pixels as displayed; `features` maps a view and a camera to what
    was said: a camera whose feature was refused is left out.
    """

    times_ns: npt.NDArray[np.int64]
    cameras: Mapping[str, CameraModel]
    sizes: Mapping[str, tuple[int, int]]
    features: Mapping[str, Mapping[str, Feature]]


class RigView(Drawn, Protocol):
    """A view of a rig, ready to compute."""

    def compute(self, clip: RigClip) -> dict[str, Feature]:
        """Return the feature of each camera in `clip.sizes`; equal input gives equal output."""


class RigKind(Protocol):
    """The entry of such a view in `RIG_VIEWS`."""

    @property
    def spec(self) -> ViewSpec:
        """What the view is; `inputs` is not empty, `given` is "calibration"."""

    def load(self) -> RigView:
        """Return the view; there are no weights."""
