"""An ONNX step in int8: static quantisation, ranges taken from real pictures.

Reads and writes temporary files alone. QDQ format, activations unsigned, weights signed and by
channel: what CPUs with VNNI multiply fastest. Convolutions are quantised and what lies between
them; memory, sums over pictures and the answer stay fp32.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from tasks.export.onnx_step import OnnxSteps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from models.portable import Portable
    from tasks.export.onnx_step import Arrays

QUANTISED = ("Conv", "Relu", "Add")


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types we follow
    """The inputs of every step over some clips, states as the fp32 model makes them."""

    def __init__(self, model: bytes, part: Portable, clips: Sequence[Tensor]) -> None:
        self._feeds = self._all(OnnxSteps(model, part), clips)

    @staticmethod
    def _all(steps: OnnxSteps, clips: Sequence[Tensor]) -> Iterator[Arrays]:
        for clip in clips:
            for given, _ in steps.stream(clip):
                yield given

    def get_next(self) -> Arrays | None:
        """Return the inputs of one step, None after the last."""
        return next(self._feeds, None)


def to_int8(model: bytes, part: Portable, clips: Sequence[Tensor]) -> bytes:
    """Return the quantised model; `clips` are pictures (T, 3, h, w) uint8 to take ranges from.

    Raises:
        ValueError: there is no clip.
    """
    if not clips:
        raise ValueError("without pictures there are no ranges to take")
    with (
        TemporaryDirectory() as temporary,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        _hushed(),
    ):
        warnings.simplefilter("ignore")
        given, ready, made = (Path(temporary) / name for name in ("a.onnx", "b.onnx", "c.onnx"))
        given.write_bytes(model)
        # Symbolic shapes are for transformers; ours are known.
        quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(made),
            _Pictures(model, part, clips),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=_outside(onnx.load(ready)),
        )
        return made.read_bytes()


def _outside(model: onnx.ModelProto) -> list[str]:
    """Return the sums that no convolution feeds: those of memory and of normalisation."""
    made_by = {name: node for node in model.graph.node for name in node.output}

    def fed(node: onnx.NodeProto) -> bool:
        return any(
            name in made_by and made_by[name].op_type in ("Conv", "Relu", "LeakyRelu")
            for name in node.input
        )

    return [node.name for node in model.graph.node if node.op_type == "Add" and not fed(node)]


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Silence the root logger, which the quantiser tells of every step it takes."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
