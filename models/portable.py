"""What of each model leaves the house: one step of it as tensors in, tensors out, and its contract.

Pure. A step is what a device runs for each picture; what it keeps from step to step is an output
that is an input of the next. Names and meanings here are what `stillhouse export` writes down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from models.depth import DepthNet, FrozenDepth
from models.distiller import Distiller
from models.student import Student, StudentStep
from models.superresolution import SuperResolution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STEP_S = 0.08  # of the session grid, which windows were trained on


class Port(NamedTuple):
    """An input or output: its name and what it means."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Portable:
    """A step that can be exported, and how a stream of pictures is fed to it.

    `state` maps outputs to the inputs they are at the next step; `start` gives those inputs at the
    first, from its other inputs; `feeds` gives the other inputs of each of some pictures (T, 3, h,
    w) uint8. `free` names sides that may differ, by input and axis. `likeness` says how near two
    answers (the first output) are, higher is better, `least` what int8 may not fall below.
    """

    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    feeds: Callable[[Tensor], Iterator[dict[str, Tensor]]]
    start: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    likeness: Callable[[Tensor, Tensor], float]
    least: float
    measure: str
    state: Mapping[str, str] = field(default_factory=dict)
    free: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def example(self) -> dict[str, Tensor]:
        """Return the inputs of a first step, by name; no two share memory.

        Of two that did, the exporter would make one.
        """
        pictures = torch.arange(2 * 3 * 112 * 112) % 251
        first = next(self.feeds(pictures.view(2, 3, 112, 112).to(torch.uint8)))
        found = first | self.start(first)
        return {port.name: found[port.name].clone() for port in self.inputs}


def portable(net: nn.Module) -> Portable | None:
    """Return what of a model is exported, None of one that has no such part."""
    found = _PARTS.get(type(net))
    return None if found is None else found(net)


def cosine(ours: Tensor, theirs: Tensor) -> float:
    """Mean cosine of two answers over their batch, each less its mean where it is a map."""
    a, b = (x.double().flatten(1) for x in (ours, theirs))
    if ours.ndim > 2:
        a, b = (x - x.mean(dim=1, keepdim=True) for x in (a, b))
    return float(torch.cosine_similarity(a, b).mean())


def nearness_db(ours: Tensor, theirs: Tensor) -> float:
    """PSNR in dB of two pictures 0..1."""
    error = (ours.double() - theirs.double()).square().mean().clamp(min=1e-12)
    return float(-10 * error.log10())


def _student(net: Student) -> Portable:
    def feeds(pictures: Tensor) -> Iterator[dict[str, Tensor]]:
        fitted = net.fitted(pictures).round().clamp(0, 255).to(torch.uint8)
        for t, x in enumerate(fitted):
            spent = torch.tensor([STEP_S if t else 0.0])
            yield {"rgb": x[None], "mask": torch.ones(1, dtype=torch.bool), "dt": spent}

    side, state = net.config.side, net.config.state
    return Portable(
        StudentStep(net),
        (
            Port("rgb", f"the picture, squashed to {side} x {side} px, 0..255, channels first"),
            Port("state", "next_state of the step before; zeros at the first"),
            Port("mask", "whether there is a picture; where not, rgb may be anything"),
            Port("dt", "seconds since the step before; 0 at the first; trained at .08"),
        ),
        (
            Port("embedding", "of length 1; zeros as long as there was no picture"),
            Port("next_state", "state of the next step"),
        ),
        feeds,
        lambda _: {"state": torch.zeros(1, state)},
        cosine,
        0.99,
        "cosine of embeddings",
        {"next_state": "state"},
    )


class _SuperResolutionStep(nn.Module):
    def __init__(self, net: SuperResolution) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(
        self, previous: Tensor, current: Tensor, following: Tensor, output: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.net.step(previous, current, following, output, hidden)


def _superresolution(net: SuperResolution) -> Portable:
    scale = net.config.scale

    def feeds(pictures: Tensor) -> Iterator[dict[str, Tensor]]:
        x = pictures.float() / 255
        last = len(x) - 1
        for t in range(len(x)):
            at = {"previous": max(t - 1, 0), "current": t, "following": min(t + 1, last)}
            yield {name: x[k : k + 1] for name, k in at.items()}

    def start(first: Mapping[str, Tensor]) -> dict[str, Tensor]:
        y, hidden = net.start(first["current"])
        return {"output": y, "hidden": hidden}

    small = {2: "h", 3: "w"}
    large = {2: f"{scale}*h", 3: f"{scale}*w"}
    return Portable(
        _SuperResolutionStep(net),
        (
            Port("previous", "the frame before (the first: itself), rgb 0..1, channels first"),
            Port("current", "the frame"),
            Port("following", "the frame after (the last: itself)"),
            Port("output", "enlarged of the step before; at the first, current by bicubic"),
            Port("hidden", "next_hidden of the step before; zeros at the first"),
        ),
        (
            Port("enlarged", f"current, {scale} times as large, not clipped"),
            Port("next_hidden", "hidden of the next step"),
        ),
        feeds,
        start,
        nearness_db,
        # What costs a picture that is 35 dB from the truth .1 dB.
        51.0,
        "dB between pictures",
        {"enlarged": "output", "next_hidden": "hidden"},
        dict.fromkeys(("previous", "current", "following", "hidden"), small) | {"output": large},
    )


def _depth(net: DepthNet) -> Portable:
    side = net.config.side

    def feeds(pictures: Tensor) -> Iterator[dict[str, Tensor]]:
        x = pictures if pictures.shape[-2:] == (side, side) else _resized(pictures, side)
        for one in x.to(torch.uint8):
            yield {"rgb": one.permute(1, 2, 0)[None].contiguous()}

    return Portable(
        FrozenDepth(net),
        (Port("rgb", f"the picture, squashed to {side} x {side} px, 0..255, channels last"),),
        (
            Port("inverse_depth", "up to scale and shift"),
            Port("confidence", "0..1"),
        ),
        feeds,
        lambda _: {},
        cosine,
        0.99,
        "cosine of maps less their means",
    )


def _resized(pictures: Tensor, side: int) -> Tensor:
    x = nn.functional.interpolate(
        pictures.float(), size=(side, side), mode="bilinear", antialias=True
    )
    return x.round().clamp(0, 255)


class _Served(nn.Module):
    def __init__(self, net: Distiller) -> None:
        super().__init__()
        self.net = net.eval()

    def forward(self, rgb: Tensor) -> Tensor:
        return self.net.serve(rgb)


def _distiller(net: Distiller) -> Portable:
    """Its service: whether that can be exported, the exporter says."""

    def feeds(pictures: Tensor) -> Iterator[dict[str, Tensor]]:
        yield {"rgb": pictures.float()[None, None]}

    return Portable(
        _Served(net),
        (Port("rgb", "what one camera saw, 80 ms apart, 0..255"),),
        (Port("embedding", "of length 1"),),
        feeds,
        lambda _: {},
        cosine,
        0.99,
        "cosine of embeddings",
    )


_PARTS: dict[type[nn.Module], Callable[..., Portable]] = {
    Student: _student,
    SuperResolution: _superresolution,
    DepthNet: _depth,
    Distiller: _distiller,
}
