"""View *skeleton*: 33 joints of up to two people by BlazePose, followed through the clip.

Needs the asset `blazepose`. Values are x and y (0 to 1 across the picture), z (in picture widths,
from the hips' middle, less is nearer) and visibility (0 to 1); people keep their slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.pose.joints import BONES, JOINTS
from tasks.pose.networks import ASSET
from tasks.pose.people import PEOPLE
from tasks.pose.shared import (
    PARAMETERS,
    RGB320,
    SEARCH_MS,
    loaded_networks,
    people_of,
    require_networks,
)
from tasks.views.drawing import COLOURS, ground, to_pixels
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.pose.networks import Networks

SPEC = ViewSpec(
    name="skeleton",
    parameters=PARAMETERS,
    scales=(RGB320,),
    arrays=(ArraySpec("joints", (PEOPLE, JOINTS, 4), "float16"),),
    assets=(ASSET,),
    cost_ms=SEARCH_MS,
)


@dataclass(frozen=True)
class SkeletonKind:
    """The view *skeleton*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:  # noqa: ARG002  pinned
        """Refuse to go on without the networks."""
        require_networks(assets)

    def load(self, assets: Path, threads: int, weights: Mapping[str, str]) -> View:  # noqa: ARG002  pinned
        """Return the view with the networks that its sister views share."""
        return Skeleton(loaded_networks(assets, threads))


class Skeleton:
    """The joints of whom the networks find."""

    def __init__(self, eyes: Networks) -> None:
        self._eyes = eyes

    def compute(self, clip: DecodedClip) -> Feature:
        """Return the joints at the steps at which anybody is found; an empty slot is zero."""
        if not clip.present.any():
            return absent(SPEC, len(clip.present), "no frame is shown")
        people = people_of(clip, self._eyes)
        mask = np.asarray(people.found.any(axis=1))
        if not mask.any():
            return absent(SPEC, len(mask), "no person was found")
        return Feature((people.joints.astype(np.float16),), (1.0,), mask)

    def draw(
        self, feature: Feature, step: int, backdrop: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the bones, a colour a person; what is hardly visible is thin."""
        seen = bool(feature.mask[step])
        picture = ground(backdrop, None if seen else feature.absent or "nobody")
        thick = max(1, picture.shape[1] // 160)
        for slot, joints in enumerate(feature.arrays[0][step].astype(np.float32)):
            if not joints.any():
                continue
            places = to_pixels(joints[:, :2], picture)
            for one, other in BONES:
                sure = min(joints[one, 3], joints[other, 3]) > 0.5
                ends = (places[one].tolist(), places[other].tolist())
                cv2.line(picture, *ends, COLOURS[slot], thick if sure else 1, cv2.LINE_AA)
        return picture
