"""The end of the landmark network's mask, computed at half its resolution.

The network enlarges its features from 128 x 128 to 256 x 256 and refines them by four convolutions,
a third of the time of a look; what is kept of the mask is its mean over 4 x 4 pixels. Here the same
layers run on the grid of 128: what a kernel of 3 x 3 sees of an enlarged picture is a kernel of
3 x 3 on the picture itself, exactly; of layers in between the values that stand half a step away
are taken as the mean of their neighbours. Decision 0034 has what it saves and what it loses.

Rewires OpenVINO's graph; reads and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

# Weights of three neighbours on the coarse grid (rows) that stand for the fine values half a step
# before, at, and half a step after a coarse pixel's middle (columns): of a picture that the network
# enlarges linearly, "at" being the mean of the two fine pixels there ...
OF_ENLARGED = np.array([[0.5, 0.125, 0], [0.5, 0.75, 0.5], [0, 0.125, 0.5]], np.float32)
# ... and of one that is computed at the coarse pixels alone.
OF_COARSE = np.array([[0.5, 0, 0], [0.5, 1, 0.5], [0, 0, 0.5]], np.float32)
_ONES = ([1, 1], [1, 1], [1, 1], [1, 1])  # strides, padding before and after, dilations


def small_mask(source: Any) -> Any:  # noqa: ANN401  the library has no types
    """Return the mask (1, 1, 64, 64) as a probability, from its logits (1, 256, 256, 1).

    Raises:
        ValueError: the graph before them is not the one this was written for.
    """
    from openvino import opset13 as ops

    logits = _halved(_before(source.node), {})
    pool = [2, 2]
    return ops.avg_pool(ops.sigmoid(logits), pool, [0, 0], [0, 0], pool, exclude_pad=True).output(0)


def _halved(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return what computes a node's answer on the coarse grid; nodes met twice are made once."""
    name = node.get_friendly_name()
    if name not in made:
        made[name] = _MAKERS.get(node.get_type_name(), _unknown)(node, made)
    return made[name]


def _convolution(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401
    from openvino import opset13 as ops

    weights, sees = node.input_value(1), _before(node)
    grouped = node.get_type_name() == "GroupConvolution"
    convolve = ops.group_convolution if grouped else ops.convolution
    if list(weights.get_shape())[-2:] == [1, 1]:
        return convolve(_halved(sees, made), weights, [1, 1], [0, 0], [0, 0], [1, 1])
    if sees.get_type_name() == "Transpose":
        return convolve(_enlarged(sees), _spread(weights, OF_ENLARGED), *_ONES)
    return convolve(_halved(sees, made), _spread(weights, OF_COARSE), *_ONES)


def _sum(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401
    from openvino import opset13 as ops

    other = node.input_value(1)
    is_bias = list(other.get_shape())[-2:] == [1, 1]
    return ops.add(_halved(_before(node), made), other if is_bias else _halved(other.node, made))


def _clamp(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401
    from openvino import opset13 as ops

    limits = node.get_attributes()
    return ops.clamp(_halved(_before(node), made), limits["min"], limits["max"])


def _whole(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401, ARG001
    """Return the enlarged picture itself, at the coarse pixels' middles."""
    from openvino import opset13 as ops

    features = _enlarged(node)
    alone = np.zeros((features.get_shape()[1], 1, 1, 3, 3), np.float32)
    alone[..., 1, 1] = 1
    return ops.group_convolution(features, _spread(ops.constant(alone), OF_ENLARGED), *_ONES)


def _unknown(node: Any, made: dict[str, Any]) -> Any:  # noqa: ANN401, ARG001
    raise ValueError(f"the mask's end has a {node.get_type_name()}, {node.get_friendly_name()}")


_MAKERS = {
    "Add": _sum,
    "Clamp": _clamp,
    "Convolution": _convolution,
    "GroupConvolution": _convolution,
    "Transpose": _whole,
}


def _enlarged(node: Any) -> Any:  # noqa: ANN401
    """Return what is enlarged, channels first, given the turn of axes behind the enlargement."""
    enlargement = _before(node)
    turn = _before(enlargement)
    if enlargement.get_type_name() != "Interpolate" or turn.get_type_name() != "Transpose":
        _unknown(enlargement, {})
    return turn.input_value(0)


def _spread(weights: Any, by: Floats) -> Any:  # noqa: ANN401
    """Return kernels (..., 3, 3) of the fine grid as kernels of the coarse one; folded once."""
    from openvino import opset13 as ops

    rows = ops.matmul(ops.constant(by), weights, transpose_a=False, transpose_b=False)
    return ops.matmul(rows, ops.constant(by), transpose_a=False, transpose_b=True)


def _before(node: Any) -> Any:  # noqa: ANN401
    return node.input_value(0).node
