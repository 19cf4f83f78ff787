"""View *flow*: dense optical flow by OpenCV DIS (Kroeger et al., ECCV 2016).

Computes from luma alone; needs no asset. Values are pixels of the 112 px picture per grid step,
in quarter pixels as int8, averaged to 28 x 28: 1.6 KB a step, +-31.75 px.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.views.pictures import RGB224, luma112
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

SIDE, CELLS, QUARTER = 112, 28, 0.25
# OpenCV's preset MEDIUM goes down to half the picture's size, on patches every 3 pixels, and then
# smooths by a variational method. Down to the picture itself, on patches every 6 pixels and
# without the smoothing, the field is a third nearer to the truth at .7 to .9 of the cost (0034).
SEARCH = {
    "FinestScale": 0,
    "PatchStride": 6,
    "GradientDescentIterations": 8,
    "VariationalRefinementIterations": 0,
}


SPEC = ViewSpec(
    name="flow",
    parameters={"side": SIDE, "cells": CELLS, "quarter_px": 4, **SEARCH},
    scales=(RGB224,),
    arrays=(ArraySpec("flow", (2, CELLS, CELLS), "int8"),),
    cost_ms=0.9,
)


@dataclass(frozen=True)
class FlowKind:
    """The view *flow*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:
        """Nothing to prepare."""

    def load(
        self,
        assets: Path,  # noqa: ARG002  DIS has none
        threads: int,  # noqa: ARG002  each thread makes its own
        weights: Mapping[str, str],  # noqa: ARG002  none
    ) -> View:
        """Return the view; each thread gets a DIS object of its own."""
        return Flow()


def new_search() -> cv2.DISOpticalFlow:
    """Return DIS set as `SEARCH` says; for one thread, it keeps buffers."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for name, value in SEARCH.items():
        getattr(dis, f"set{name}")(value)
    return dis


class Flow:
    """DIS objects keep buffers, so each thread has its own."""

    def __init__(self) -> None:
        self._own = threading.local()

    def compute(self, clip: DecodedClip) -> Feature:
        """Flow from each step to the next; the last step has no next and is masked.

        A step whose frame or whose next frame is absent is masked too.
        """
        dis = getattr(self._own, "dis", None)
        if dis is None:
            dis = self._own.dis = new_search()
        luma = luma112(clip)
        steps = len(luma)
        cells = np.zeros((steps, 2, CELLS, CELLS), np.int8)
        mask = np.zeros(steps, bool)
        for k in range(steps - 1):
            if not (clip.present[k] and clip.present[k + 1]):
                continue
            field = dis.calc(luma[k], luma[k + 1], None)
            small = cv2.resize(field, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            quarters = np.rint(small / QUARTER).clip(-127, 127).astype(np.int8)
            cells[k] = quarters.transpose(2, 0, 1)
            mask[k] = True
        why = None if mask.any() else "no step has a next one"
        return Feature((cells,), (QUARTER,), mask, absent=why)

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  a map by itself
    ) -> npt.NDArray[np.uint8]:
        """Return the colour wheel: hue is the direction, white stands still.

        Colour is full at the speed that 1 % of the clip's cells exceed, at least 1 px a step.
        """
        whole = feature.arrays[0].astype(np.float32) * feature.scales[0]
        full = max(1.0, float(np.quantile(np.hypot(whole[:, 0], whole[:, 1]), 0.99)))
        speed, angle = cv2.cartToPolar(whole[step, 0], whole[step, 1], angleInDegrees=True)
        depth = np.sqrt(speed / full).clip(0, 1) * 255
        hsv = np.stack([angle / 2, depth, np.full_like(angle, 250)], -1)
        rgb: npt.NDArray[np.uint8] = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
        return rgb
