"""View *tracks*: people, and what else moves, as boxes that keep their ids through a clip.

Needs the asset `blazepose`: people are boxes around their joints. Where the camera stands still,
what moves apart from them (`tasks/kernels/background.py`) is a box too. Ids are given by
`tasks/kernels/sort_tracks.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.kernels.sort_tracks import Track, filled, follow
from tasks.pose.landmarks import box_of
from tasks.pose.networks import ASSET
from tasks.pose.shared import PARAMETERS, RGB320, loaded_networks, people_of, require_networks
from tasks.views.drawing import COLOURS, ground, to_pixels
from tasks.views.pictures import RGB224, foreground_of
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.kernels.background import Foreground
    from tasks.pose.networks import Networks
    from tasks.pose.people import ClipPeople

    Floats = npt.NDArray[np.float64]

MOST = 8
# Joints end at eyes and ankles: a person is a tenth of the box larger on each side.
MARGIN = 0.1
# Less of a picture than this is no body: 25 of 112 x 112 pixels.
LEAST_AREA = 0.002
# A blob with this much of itself inside a person's box is that person.
INSIDE = 0.3

SPEC = ViewSpec(
    name="tracks",
    parameters={**PARAMETERS, "most": MOST},
    scales=(RGB320, RGB224),
    arrays=(ArraySpec("boxes", (MOST, 6), "float16"),),
    assets=(ASSET,),
    cost_ms=0.5,
)


@dataclass(frozen=True)
class TracksKind:
    """The view *tracks*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:  # noqa: ARG002  pinned
        """Refuse to go on without the networks."""
        require_networks(assets)

    def load(self, assets: Path, threads: int, weights: Mapping[str, str]) -> View:  # noqa: ARG002  pinned
        """Return the view with the networks that its sister views share."""
        import scipy.optimize  # noqa: F401  .3 s that no clip is to be charged with

        return Tracks(loaded_networks(assets, threads))


class Tracks:
    """Boxes with ids."""

    def __init__(self, eyes: Networks) -> None:
        self._eyes = eyes

    def compute(self, clip: DecodedClip) -> Feature:
        """Return id (1 and up), x0, y0, x1, y1 (0 to 1) and score; a slot is one id, or empty.

        A step is usable where a person was found or the background is known; of more tracks than
        slots those that cover most are kept.
        """
        if not clip.present.any():
            return absent(SPEC, len(clip.present), "no frame is shown")
        people, moving = people_of(clip, self._eyes), foreground_of(clip)
        mask = people.found.any(axis=1) | moving.usable
        if not mask.any():
            return absent(SPEC, len(mask), f"no person was found, and {moving.absent}")
        seen = [boxes_at(people, moving, step) for step in range(len(mask))]
        tracks = follow([boxes for boxes, _ in seen], [scores for _, scores in seen])
        tracks = sorted(sorted(tracks, key=_covered, reverse=True)[:MOST], key=_first)
        stored = np.zeros((len(mask), MOST, 6), np.float16)
        for slot, track in enumerate(tracks):
            steps, boxes, scores = filled(track)
            stored[steps, slot, 0] = slot + 1
            stored[steps, slot, 1:5], stored[steps, slot, 5] = boxes.clip(0, 1), scores
        stored[~mask] = 0
        return Feature((stored,), (1.0,), mask)

    def draw(
        self, feature: Feature, step: int, backdrop: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the boxes, a colour an id, with the id."""
        boxes = feature.arrays[0][step].astype(np.float64)
        said = bool(feature.mask[step]) and boxes.any()
        picture = ground(backdrop, None if said else feature.absent or "nothing moves")
        for number, x0, y0, x1, y1, _ in boxes[boxes[:, 0] > 0]:
            colour = COLOURS[(int(number) - 1) % len(COLOURS)]
            low, high = to_pixels(np.array([[x0, y0], [x1, y1]]), picture).tolist()
            cv2.rectangle(picture, low, high, colour, max(1, picture.shape[1] // 160))
            at = (low[0] + 2, low[1] + 12)
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(picture, str(int(number)), at, font, 0.4, colour, 1, cv2.LINE_AA)
        return picture


def boxes_at(people: ClipPeople, moving: Foreground, step: int) -> tuple[Floats, Floats]:
    """Return the boxes (N, 4) at a step, people first, and their scores (N,)."""
    slots = np.flatnonzero(people.found[step])
    persons = box_of(people.joints[step, slots]).astype(np.float64)
    room = MARGIN * (persons[:, 2:] - persons[:, :2])
    persons = np.concatenate([persons[:, :2] - room, persons[:, 2:] + room], axis=1).clip(0, 1)
    sure = people.scores[step, slots].astype(np.float64)
    blobs, shares = blobs_of(moving.masks[step])
    apart = np.array([_inside(blob, persons) < INSIDE for blob in blobs], bool)
    return np.concatenate([persons, blobs[apart]]), np.concatenate([sure, shares[apart]])


def blobs_of(mask: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the boxes (N, 4) of what moves (H, W), and how much of each box does."""
    _, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    facts = facts[1:][facts[1:, cv2.CC_STAT_AREA] >= LEAST_AREA * mask.size].astype(np.float64)
    left, top, width, height, area = facts.T
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    size = np.array([mask.shape[1], mask.shape[0]])
    return boxes / np.tile(size, 2), area / np.maximum(width * height, 1)


def _inside(box: Floats, others: Floats) -> float:
    """Return the largest share of a box that lies inside one of others."""
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(common.clip(0), axis=1) / max(float(np.prod(box[2:] - box[:2])), 1e-9)
    return float(shared.max(initial=0.0))


def _covered(track: Track) -> float:
    boxes = np.array(track.boxes)
    return float(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).sum())


def _first(track: Track) -> tuple[int, list[float]]:
    return track.steps[0], track.boxes[0].tolist()
