"""View *appearance*: the feature pyramid of a pretrained MobileNetV2, and its global vector.

Needs the asset `mobilenetv2`. `prepare` converts it once to OpenVINO's format beside the asset,
so workers need no torch (1.1 s and 300 MB each); OpenVINO runs it 2-3 x faster than torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.views.compiled import Compiled
from tasks.views.pictures import RGB224
from tasks.views.view import ArraySpec, DecodedClip, Feature, View, ViewSpec, absent, quantise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

ASSET = "mobilenetv2"
SIDE = 224
# What is seen changes more slowly than what moves, and its maps are the largest part of the store
# (600 KB a camera-second at every step): every second step of the grid has them, 6.25 a second.
EVERY = 2
# 4.0 ms a picture where the CPU has bf16, 7.7 in float32, which is what others fall back to; the
# maps agree to a cosine of .998 (see infra/decisions/0005).
PRECISION = "bf16"


SPEC = ViewSpec(
    name="appearance",
    parameters={"side": SIDE, "precision": PRECISION, "every": EVERY},
    scales=(RGB224,),
    arrays=(
        ArraySpec("stride8", (32, 28, 28), "int8"),
        ArraySpec("stride16", (96, 14, 14), "int8"),
        ArraySpec("stride32", (320, 7, 7), "int8"),
    ),
    assets=(ASSET,),
    cost_ms=1.9,
)


@dataclass(frozen=True)
class AppearanceKind:
    """The view *appearance*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(
        self,
        assets: Path,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned file is the only one
    ) -> None:
        """Convert the asset to OpenVINO's format, once; atomic, so two runs may race."""
        from infra.assets import member_path

        pretrained = member_path(assets, ASSET, "mobilenetv2.safetensors")
        if not _converted(assets).exists():
            _convert(pretrained, _converted(assets))

    def load(
        self,
        assets: Path,
        threads: int,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned file is the only one
    ) -> View:
        """Compile the network for up to `threads` callers, each on one core."""
        example = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        return Appearance(
            Compiled(str(_converted(assets)), threads, [example], PRECISION, fixed=True)
        )


def _converted(assets: Path) -> Path:
    return assets / ASSET / "mobilenetv2-pyramid.xml"


def _convert(weights: Path, target: Path) -> None:
    import openvino
    import torch
    from safetensors.torch import load_file

    from models.mobilenet import MobileNetPyramid

    net = MobileNetPyramid()
    net.load_state_dict(load_file(weights))
    net.eval()
    with torch.no_grad():
        example = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
        converted = openvino.convert_model(net, example_input=example, input=[(-1, SIDE, SIDE, 3)])
    part = target.with_name(f"{target.stem}.{os.getpid()}.xml")
    openvino.save_model(converted, str(part), compress_to_fp16=False)
    part.with_suffix(".bin").replace(target.with_suffix(".bin"))
    part.replace(target)


class Appearance:
    """A compiled network."""

    def __init__(self, network: Compiled) -> None:
        self._network = network

    def compute(self, clip: DecodedClip) -> Feature:
        """Three maps at every second step, and the mean vector over those that are present."""
        steps = np.flatnonzero(clip.present[::EVERY]) * EVERY
        if not len(steps):
            return absent(SPEC, len(clip.present), "no frame is shown at its steps")
        # One picture at a time, so that a step is computed by the same kernel however long its clip
        # is: five at a time are .9 of the time a picture, and a clip of 2 s has thirteen.
        shown = clip.images[RGB224.name]
        answers = [self._network(shown[step : step + 1]) for step in steps]
        *maps, vectors = (np.concatenate(found) for found in zip(*answers, strict=True))
        mask = np.zeros(len(clip.present), bool)
        mask[steps] = True
        arrays, scales = [], []
        for found_map in maps:
            values, scale = quantise(found_map)
            arrays.append(np.zeros((len(mask), *values.shape[1:]), np.int8))
            arrays[-1][steps] = values
            scales.append(scale)
        return Feature(tuple(arrays), tuple(scales), mask, vectors.mean(axis=0))

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  a map by itself
    ) -> npt.NDArray[np.uint8]:
        """Return the three strongest directions of the 14 x 14 map as colours.

        The directions are the principal components over the clip, so colours hold over time.
        """
        maps = feature.arrays[1].astype(np.float32) * feature.scales[1]
        points = maps[feature.mask].transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])
        mean = points.mean(axis=0)
        some = points[:: max(1, len(points) // 2000)]
        _, _, directions = np.linalg.svd(some - mean, full_matrices=False)
        spread = np.quantile(np.abs((some - mean) @ directions[:3].T), 0.98) or 1.0
        colours = (maps[step].transpose(1, 2, 0) - mean) @ directions[:3].T
        picture = (colours / spread * 127 + 128).clip(0, 255).astype(np.uint8)
        rgb: npt.NDArray[np.uint8] = cv2.resize(picture, (112, 112), interpolation=cv2.INTER_CUBIC)
        return rgb
