"""View *depth*: inverse depth with confidence, given by the recording or told from one picture.

A recording stored as grey of more than 8 bits (gray10 to gray16: what depth cameras export) *is*
depth, 0 where it knows none: its inverse is taken, in 1 / its own unit. Of any other the network
*depth* tells inverse depth up to scale and shift; its champion comes from the registry, by way of
`assets/models/depth/DIGEST`. Without a champion the view is absent and says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.decode import Scale
from tasks.kernels.depth_maps import ARRAYS, CELLS, drawn, stored
from tasks.views.compiled import Compiled
from tasks.views.pictures import RGB224, pictures112
from tasks.views.view import DecodedClip, Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

MODEL = "depth"
SIDE = 112
# Always five pictures at a time, the last filled up, as for the appearance: a step is computed by
# the same kernel however long its clip is, and a clip of 2 s has 25 steps.
BATCH = 5
# .8 ms a picture where the CPU has bf16, 1.4 in float32, which is what others fall back to; they
# differ by 1.2 % of a picture's spread (see infra/decisions/0005 and 0014).
PRECISION = "bf16"
# The network's answer has its median near 0 and a mean deviation near 1. Raised by this it is
# positive; what is still below lies further behind than any truth it learnt from.
SHIFT = 4.0
NO_MODEL = "no depth model is promoted: stillhouse distill --model depth"

GIVEN112 = Scale("deep112", SIDE, SIDE, "gray16")

SPEC = ViewSpec(
    name="depth",
    parameters={"side": SIDE, "cells": CELLS, "precision": PRECISION, "shift": SHIFT},
    scales=(RGB224, GIVEN112),
    arrays=ARRAYS,
    cost_ms=0.9,
    model=MODEL,
)


@dataclass(frozen=True)
class DepthKind:
    """The view *depth*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(self, assets: Path, weights: Mapping[str, str]) -> None:
        """Convert the champion's weights to OpenVINO's format, once; two runs may race."""
        digest = weights.get(MODEL, "")
        if digest and not _converted(assets, digest).exists():
            _convert(_folder(assets, digest), _converted(assets, digest))

    def load(self, assets: Path, threads: int, weights: Mapping[str, str]) -> View:
        """Compile the network for up to `threads` callers, each on one core; none without one."""
        digest = weights.get(MODEL, "")
        if not digest:
            return Depth(None)
        example = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)
        file = str(_converted(assets, digest))
        return Depth(Compiled(file, threads, [example], PRECISION, fixed=True))


def _folder(assets: Path, digest: str) -> Path:
    return assets / "models" / MODEL / digest


def _converted(assets: Path, digest: str) -> Path:
    # Beside the model's folder, which holds what the registry gave and nothing else.
    return assets / "models" / MODEL / f"{digest}.xml"


def _convert(folder: Path, target: Path) -> None:
    import openvino
    import torch

    from infra.errors import ModelInvalidError
    from models import weights
    from models.depth import DepthNet, FrozenDepth

    net = weights.load(folder)
    if not isinstance(net, DepthNet) or net.config.side != SIDE:
        raise ModelInvalidError(
            f"{folder} holds no depth network for pictures of {SIDE} px.",
            command="stillhouse show models",
        )
    with torch.no_grad():
        example = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
        frozen = FrozenDepth(net)
        traced = torch.jit.trace(frozen, example)  # type: ignore[no-untyped-call]  # torch's own
        converted = openvino.convert_model(
            traced, example_input=example, input=[(-1, SIDE, SIDE, 3)]
        )
    part = target.with_name(f"{target.stem}.{os.getpid()}.xml")
    openvino.save_model(converted, str(part), compress_to_fp16=False)
    part.with_suffix(".bin").replace(target.with_suffix(".bin"))
    part.replace(target)


class Depth:
    """A compiled network, or none."""

    def __init__(self, network: Compiled | None) -> None:
        self._network = network

    def compute(self, clip: DecodedClip) -> Feature:
        """Take the depth that is given, else tell it from the pictures."""
        if not clip.present.any():
            return absent(SPEC, len(clip.present), "no frame is shown")
        given = clip.images[GIVEN112.name]
        if given.any():
            return given_depth(given, clip.present)
        if self._network is None:
            return absent(SPEC, len(clip.present), NO_MODEL)
        inverse, confidence = _inferred(self._network, pictures112(clip))
        return stored(SPEC, np.maximum(inverse + SHIFT, 0), confidence, clip.present.copy())

    def draw(
        self,
        feature: Feature,
        step: int,
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  it is a map of its own
    ) -> npt.NDArray[np.uint8]:
        """Return a map of colours, yellow near and violet far, darker where it is not sure."""
        return drawn(feature, step)


def given_depth(samples: npt.NDArray[np.uint8], present: npt.NDArray[np.bool_]) -> Feature:
    """Return the feature of a depth stream: `samples` (T, 112, 112, 2), low and high byte.

    Inverse depth is the mean over a cell's valid samples, confidence the share that is valid.
    """
    depth = samples.view(np.dtype("<u2"))[..., 0]
    steps, cell = len(depth), SIDE // CELLS
    blocks = depth.reshape(steps, CELLS, cell, CELLS, cell)
    valid = blocks > 0
    inverse = np.where(valid, 1 / np.maximum(blocks, 1).astype(np.float32), 0)
    count = valid.sum(axis=(2, 4))
    mean = inverse.sum(axis=(2, 4)) / np.maximum(count, 1)
    mask = present & (count > 0).any(axis=(1, 2))
    share = (count / cell**2)[:, None].astype(np.float32)
    return stored(SPEC, mean[:, None].astype(np.float32), share, mask)


def _inferred(network: Compiled, pictures: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Pictures (T, 112, 112, 3) -> inverse depth and confidence, (T, 1, 28, 28) each."""
    found: tuple[list[Floats], list[Floats]] = ([], [])
    for at in range(0, len(pictures), BATCH):
        batch = pictures[at : at + BATCH]
        lacking = BATCH - len(batch)
        answers = network(np.pad(batch, ((0, lacking), (0, 0), (0, 0), (0, 0))))
        for part, answer in zip(found, answers, strict=True):
            part.append(answer[: len(batch)])
    return np.concatenate(found[0]), np.concatenate(found[1])
