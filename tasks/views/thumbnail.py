"""View *thumbnail*: what the camera saw, 112 px, on the session's grid: the pixels of training.

Needs no asset. Stored as JPEG (3-4 KB a step). The picture is squashed to a square, as the other
views' pictures are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.views.packing import JPEG_QUALITY
from tasks.views.pictures import RGB224, SMALL, pictures112
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

SPEC = ViewSpec(
    name="thumbnail",
    parameters={"side": SMALL, "jpeg": JPEG_QUALITY},
    scales=(RGB224,),
    arrays=(ArraySpec("rgb", (SMALL, SMALL, 3), "uint8", "jpeg"),),
    cost_ms=0.2,
)


@dataclass(frozen=True)
class ThumbnailKind:
    """The view *thumbnail*; there is nothing to load."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:
        """Nothing to prepare."""

    def load(
        self,
        assets: Path,  # noqa: ARG002  it has none
        threads: int,  # noqa: ARG002  each call is by itself
        weights: Mapping[str, str],  # noqa: ARG002  none
    ) -> View:
        """Return the view."""
        return Thumbnail()


class Thumbnail:
    """Keeps the pictures."""

    def compute(self, clip: DecodedClip) -> Feature:
        """Return the pictures that are present."""
        if not clip.present.any():
            return absent(SPEC, len(clip.present), "no frame is shown")
        return Feature((pictures112(clip),), (1.0,), clip.present.copy())

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  it is the backdrop
    ) -> npt.NDArray[np.uint8]:
        """Return the picture."""
        return np.asarray(feature.arrays[0][step], np.uint8)
