"""The two networks of BlazePose, compiled once a process and shared by the views that need them.

Reads the asset `blazepose` (two .tflite files, which OpenVINO reads as they are); writes nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.pose.detector import decoded, letterboxed
from tasks.pose.landmarks import cropped, person_of
from tasks.pose.mask_head import small_mask
from tasks.views.compiled import Compiled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from tasks.pose.detector import Detection
    from tasks.pose.landmarks import Person
    from tasks.pose.region import Region

    Floats = npt.NDArray[np.float32]
    Picture = npt.NDArray[np.uint8]

ASSET = "blazepose"
# Joints differ from f32 by .2 px of the 256 px crop (median), at .65 of the time: decision 0013.
PRECISION = "bf16"
# Names of the networks' outputs, as converted: joints, presence, mask and heat; boxes and scores.
JOINTS, PRESENCE, MASK, HEAT = "Identity", "Identity_1", "Identity_2", "Identity_3"
BOXES, SCORES = "Identity", "Identity_1"
# File, outputs, and how its input is scaled: (pixel - mean) / scale.
NETWORKS = {
    "detector": ("pose_detection", (BOXES, SCORES), 127.5, 127.5),
    "landmarks": ("pose_landmark_full", (JOINTS, PRESENCE, HEAT, MASK), 0.0, 255.0),
}


class Networks:
    """Both networks, ready; may be used by as many threads as they were compiled for."""

    def __init__(self, folder: Path, threads: int, precision: str = PRECISION) -> None:
        import openvino

        core = openvino.Core()
        self._compiled = {}
        for name, (file, outputs, mean, scale) in NETWORKS.items():
            # Read anew for each: what is cut or fed changes the model it is given.
            model = core.read_model(str(folder / f"{file}.tflite"))
            fed = _fed(_cut(model, *outputs), mean, scale)
            example = np.zeros([1, *list(fed.inputs[0].shape)[1:]], np.uint8)
            self._compiled[name] = Compiled(fed, threads, [example], precision)

    def detect(self, picture: Picture, aspect: tuple[float, float], most: int) -> list[Detection]:
        """Return at most `most` people of a squashed picture (S, S, 3), the surest first."""
        boxes, logits = self._run("detector", letterboxed(picture, aspect))
        return decoded(boxes[0], logits[0, :, 0], aspect, most)

    def look(self, picture: Picture, region: Region, aspect: tuple[float, float]) -> Person | None:
        """Return who is in a region of a squashed picture (S, S, 3), if anybody."""
        answers = self._run("landmarks", cropped(picture, region, aspect))
        return person_of(answers, region, aspect)

    def _run(self, name: str, picture: Picture) -> list[Floats]:
        """Return copies of a network's outputs for one picture."""
        return self._compiled[name](picture[None])


@lru_cache(maxsize=2)
def networks(folder: Path, threads: int) -> Networks:
    """Return the networks of an assets folder, compiled at the first call of the process."""
    return Networks(folder, threads)


def _cut(model: Any, *names: str) -> Any:  # noqa: ANN401  the library has no types
    """Return a model with these outputs only, in this order; what only others need is left out.

    The mask is made a small one, see `mask_head.py`.
    """
    import openvino

    named = {name: out for out in model.outputs for name in out.names}
    results = []
    for name in names:
        source = named[name].node.input_value(0)
        if name == MASK:
            source = small_mask(source)
        results.append(source)
    return openvino.Model(results, model.get_parameters())


def _fed(model: Any, mean: float, scale: float) -> Any:  # noqa: ANN401  the library has no types
    """Return a model that takes uint8 rgb and scales it itself: (pixel - mean) / scale."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    first = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    first.mean(mean).scale(scale)
    return steps.build()
