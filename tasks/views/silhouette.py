"""View *silhouette*: where a person is, or else what moves, as 56 x 56 bits and two outlines.

Needs the asset `blazepose`, whose masks are taken at the steps at which somebody is found; at
others the background model of `tasks/kernels/background.py` tells what moves. Where that cannot
know (the camera moves) the step is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.pose.between import MASK_GRID
from tasks.pose.networks import ASSET
from tasks.pose.shared import PARAMETERS, RGB320, loaded_networks, people_of, require_networks
from tasks.views.drawing import COLOURS, ground, to_pixels
from tasks.views.pictures import RGB224, foreground_of
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.pose.networks import Networks

    Floats = npt.NDArray[np.float32]

OUTLINES, POINTS = 2, 64
# Outlines are drawn on a grid this much finer: half a cell is 1 % of the picture.
FINER = 4

SPEC = ViewSpec(
    name="silhouette",
    parameters={**PARAMETERS, "grid": MASK_GRID, "points": POINTS},
    scales=(RGB320, RGB224),
    arrays=(
        ArraySpec("silhouette", (MASK_GRID, MASK_GRID), "bool", "bits"),
        ArraySpec("contour", (OUTLINES, POINTS, 2), "uint8"),
    ),
    assets=(ASSET,),
    cost_ms=0.5,
)


@dataclass(frozen=True)
class SilhouetteKind:
    """The view *silhouette*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:  # noqa: ARG002  pinned
        """Refuse to go on without the networks."""
        require_networks(assets)

    def load(self, assets: Path, threads: int, weights: Mapping[str, str]) -> View:  # noqa: ARG002  pinned
        """Return the view with the networks that its sister views share."""
        return Silhouette(loaded_networks(assets, threads))


class Silhouette:
    """Masks of people, else of movement."""

    def __init__(self, eyes: Networks) -> None:
        self._eyes = eyes

    def compute(self, clip: DecodedClip) -> Feature:
        """Return the mask and its outlines; what is usable and empty is known to be empty."""
        if not clip.present.any():
            return absent(SPEC, len(clip.present), "no frame is shown")
        people, moving = people_of(clip, self._eyes), foreground_of(clip)
        by_person = np.asarray(people.found.any(axis=1))
        mask = by_person | moving.usable
        if not mask.any():
            why = f"no person was found, and {moving.absent}"
            return absent(SPEC, len(mask), why)
        likely = np.zeros((len(mask), MASK_GRID, MASK_GRID), np.float32)
        contours = np.zeros((len(mask), OUTLINES, POINTS, 2), np.uint8)
        for step in np.flatnonzero(mask):
            likely[step] = people.masks[step] if by_person[step] else _shares(moving.masks[step])
            if likely[step].max() > 0.5:
                contours[step] = outlines(likely[step])
        return Feature((likely > 0.5, contours), (1.0, 1.0), mask)

    def draw(
        self, feature: Feature, step: int, backdrop: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the picture tinted where the mask is, with its outlines."""
        picture = ground(backdrop, None if feature.mask[step] else feature.absent or "not known")
        bits, contours = (array[step] for array in feature.arrays)
        size = (picture.shape[1], picture.shape[0])
        inside = cv2.resize(bits.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        picture[inside] = picture[inside] // 2 + np.array(COLOURS[2], np.uint8) // 2
        for contour in contours:
            if contour.any():
                places = to_pixels(contour / 255, picture)
                cv2.polylines(picture, [places], isClosed=True, color=COLOURS[3], thickness=1)
        return picture


def outlines(likely: Floats) -> npt.NDArray[np.uint8]:
    """Return the two largest outer outlines of a mask (S, S) of probabilities: (2, 64, 2).

    Points are equally far apart, clockwise from the topmost, in 1/255 of the picture; an outline
    that is not there is zero.
    """
    side = likely.shape[0] * FINER
    fine = cv2.resize(likely, (side, side), interpolation=cv2.INTER_LINEAR) > 0.5
    found, _ = cv2.findContours(fine.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = sorted(found, key=cv2.contourArea, reverse=True)
    lines = np.zeros((OUTLINES, POINTS, 2), np.uint8)
    for line, contour in zip(lines, found, strict=False):
        places = (contour[:, 0].astype(np.float64) + 0.5) / side
        line[:] = np.rint(_spaced(places) * 255)
    return lines


def _spaced(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 64 points equally spaced along a closed line (N, 2), clockwise from the topmost."""
    x, y = places.T
    if (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() < 0:  # y is down: clockwise is positive
        places = places[::-1]
    closed = np.roll(places, -int(places[:, 1].argmin()), axis=0)
    closed = np.concatenate([closed, closed[:1]])
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(closed, axis=0), axis=1).cumsum()])
    at = np.arange(POINTS) * (along[-1] / POINTS)
    return np.stack([np.interp(at, along, side) for side in closed.T], axis=1)


def _shares(moving: npt.NDArray[np.bool_]) -> Floats:
    """Return how much of each cell moves."""
    size = (MASK_GRID, MASK_GRID)
    shares: Floats = cv2.resize(moving.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return shares
