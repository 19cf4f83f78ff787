"""View *text*: the sentence vector (all-MiniLM-L6-v2) of the words that go with a clip.

Needs the asset `minilm`. Words are what users say of the recording, subtitles shown during the
clip and what the container says, in that order; 384 numbers of length 1, of what fits into 256
tokens (some 200 words; the rest is cut). `prepare` converts the asset to OpenVINO's format once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tasks.kernels.wordpiece import tokens
from tasks.recordings.subtitles import MAX_SHOWN_NS
from tasks.views.compiled import PRECISION, Compiled
from tasks.views.view import Feature, View, ViewSpec, absent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tasks.views.view import DecodedClip

ASSET = "minilm"
# What the model's card says it was trained for; its positions reach to 512.
MAX_TOKENS = 256
# Texts remembered: clips without subtitles share the words of their recording.
REMEMBERED = 1024

SPEC = ViewSpec(
    name="text",
    parameters={
        "max_tokens": MAX_TOKENS,
        "precision": PRECISION,
        "max_shown_ns": MAX_SHOWN_NS,
    },
    scales=(),
    arrays=(),
    assets=(ASSET,),
    cost_ms=0.2,
    words=True,
    given="labels",
)


@dataclass(frozen=True)
class TextKind:
    """The view *text*, not yet loaded."""

    spec: ViewSpec = SPEC

    def prepare(
        self,
        assets: Path,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned files are the only ones
    ) -> None:
        """Convert the asset to OpenVINO's format, once; atomic, so two runs may race."""
        from infra.assets import member_path

        pretrained = member_path(assets, ASSET, "minilm.safetensors")
        if not _converted(assets).exists():
            _convert(pretrained, _converted(assets))

    def load(
        self,
        assets: Path,
        threads: int,
        weights: Mapping[str, str],  # noqa: ARG002  the pinned files are the only ones
    ) -> View:
        """Compile the network for up to `threads` callers, each on one core."""
        from infra.assets import member_path

        listed = member_path(assets, ASSET, "vocab.txt").read_text("utf-8").splitlines()
        vocabulary = {word: number for number, word in enumerate(listed)}
        network = Compiled(str(_converted(assets)), threads, [np.zeros((1, 4), np.int64)])
        return Text(network, vocabulary)


def _converted(assets: Path) -> Path:
    return assets / ASSET / "minilm.xml"


def _convert(weights: Path, target: Path) -> None:
    import openvino
    import torch
    from safetensors.torch import load_file

    from models.minilm import SentenceEncoder

    net = SentenceEncoder()
    # The pooler and the list 0..511 that the checkpoint has besides are of no use here.
    known = net.state_dict().keys()
    net.load_state_dict({k: v for k, v in load_file(weights).items() if k in known})
    net.eval()
    with torch.no_grad():
        example = torch.arange(1000, 1008)[None]
        converted = openvino.convert_model(net, example_input=example, input=[(1, -1)])
    part = target.with_name(f"{target.stem}.{os.getpid()}.xml")
    openvino.save_model(converted, str(part), compress_to_fp16=False)
    part.with_suffix(".bin").replace(target.with_suffix(".bin"))
    part.replace(target)


class Text:
    """A compiled network and its vocabulary."""

    def __init__(self, network: Compiled, vocabulary: Mapping[str, int]) -> None:
        self._network, self._vocabulary = network, vocabulary
        self.vector = lru_cache(REMEMBERED)(self._vector)

    def compute(self, clip: DecodedClip) -> Feature:
        """Return the vector of a clip's words; it stands for each step that is present."""
        text = clip.words.text if clip.words else ""
        if not text or not clip.present.any():
            why = "no frame is shown" if text else "the clip has no words"
            return absent(SPEC, len(clip.present), why)
        return Feature((), (), clip.present.copy(), self.vector(text).copy())

    def draw(
        self,
        feature: Feature,
        step: int,  # noqa: ARG002  the same at each
        backdrop: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002  not of what is seen
    ) -> npt.NDArray[np.uint8]:
        """Return the vector as 16 x 24 squares, blue below zero and red above; black if absent.

        Words cannot be read back from it; pictures that look alike were said alike.
        """
        if feature.vector is None:
            return np.zeros((112, 168, 3), np.uint8)
        # The numbers of such a vector spread around zero by 1 / sqrt(384) = .051.
        levels = (feature.vector.reshape(16, 24) / 0.15 * 127 + 128).clip(0, 255).astype(np.uint8)
        rgb = cv2.applyColorMap(levels, cv2.COLORMAP_TWILIGHT_SHIFTED)[..., ::-1]
        drawn: npt.NDArray[np.uint8] = cv2.resize(
            np.ascontiguousarray(rgb), (168, 112), interpolation=cv2.INTER_NEAREST
        )
        return drawn

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        found = tokens(text, self._vocabulary, MAX_TOKENS)
        # Alone and unpadded: a text's vector does not depend on which texts it came with.
        vector: npt.NDArray[np.float32] = self._network(np.array([found], np.int64))[0][0]
        return vector
