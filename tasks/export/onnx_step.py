"""A step of a model as ONNX, and the ONNX as something that can be stepped.

Tensors and bytes; reads and writes no file. `torch.export`, then torch's exporter to ONNX, then
ONNX Runtime, whose answers are held against torch's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import torch

from infra.errors import ExportUnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy.typing as npt
    from torch import Tensor

    from models.portable import Portable

    Arrays = dict[str, npt.NDArray[Any]]

OPSET = 20
# How far an answer of ONNX Runtime may be from torch's, over a stream of steps.
PARITY = 1e-4
_ROOT = Path(__file__).parents[2]
# Where the exporter found what it cannot trace.
_PLACE = re.compile(r"\(((?:models|tasks)/[\w/]+\.py):(\d+) in (\w+)\)")


class OnnxSteps:
    """A step of an exported model in ONNX Runtime, state and all."""

    def __init__(self, model: bytes, part: Portable, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Errors alone: of a quantised graph it warns of each constant that it folds.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._part = part
        self._names = [port.name for port in part.outputs]

    def step(self, inputs: Arrays) -> Arrays:
        """Answer the inputs of one step, by name."""
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))

    def stream(self, pictures: Tensor) -> Iterator[tuple[Arrays, Arrays]]:
        """Yield the inputs and the answers of each of some pictures (T, 3, h, w) uint8."""
        state: Arrays = {}
        for feed in self._part.feeds(pictures):
            given = state or {name: x.numpy() for name, x in self._part.start(feed).items()}
            given = given | {name: x.numpy() for name, x in feed.items()}
            found = self.step(given)
            yield given, found
            state = {into: found[out] for out, into in self._part.state.items()}


def to_onnx(part: Portable) -> bytes:
    """Return a step as an ONNX model of one file, without traces of where it was made.

    Raises:
        ExportUnsupportedError: something in it cannot be exported; the message says where.
    """
    example = part.example()
    free = {name: dict.fromkeys(axes, torch.export.Dim.AUTO) for name, axes in part.free.items()}
    shapes = tuple(free.get(name) for name in example) if free else None
    with quiet():
        try:
            program = torch.export.export(
                part.module, tuple(example.values()), dynamic_shapes=shapes, strict=False
            )
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(example),
                output_names=[port.name for port in part.outputs],
                external_data=False,
                verbose=False,
            )
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # Torch's exporter and its parts have no error in common.
            raise ExportUnsupportedError(exporters_word(error)) from error
    if made is None:  # pragma: no cover  it returns a program where it is asked for dynamo
        raise ExportUnsupportedError("The exporter returned nothing.")
    model = made.model_proto
    _name_sides(model, part)
    _strip(model)
    onnx.checker.check_model(model)
    found: bytes = model.SerializeToString(deterministic=True)
    return found


@torch.inference_mode()
def parity(part: Portable, model: bytes, clips: Iterable[Tensor]) -> float:
    """Return the largest difference of any output from torch's, over streams of pictures."""
    steps = OnnxSteps(model, part)
    most = 0.0
    for clip in clips:
        state: Mapping[str, Tensor] = {}
        theirs = steps.stream(clip)
        for feed in part.feeds(clip):
            given = feed | (dict(state) or part.start(feed))
            ours = part.module(*(given[port.name] for port in part.inputs))
            ours = ours if isinstance(ours, tuple) else (ours,)
            named = {port.name: x for port, x in zip(part.outputs, ours, strict=True)}
            state = {into: named[out] for out, into in part.state.items()}
            _, found = next(theirs)
            most = max(most, *(float(np.abs(found[n] - x.numpy()).max()) for n, x in named.items()))
    return most


def shapes_of(model: bytes) -> dict[str, dict[str, Any]]:
    """Return `{name: {"dtype", "shape"}}` of all inputs and outputs; free sides are names."""
    graph = onnx.load_from_string(model).graph
    found = {}
    for port in (*graph.input, *graph.output):
        kind = port.type.tensor_type
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
        shape = [side.dim_param or side.dim_value for side in kind.shape.dim]
        found[port.name] = {"dtype": dtype, "shape": shape}
    return found


def _name_sides(model: onnx.ModelProto, part: Portable) -> None:
    """Call the sides that may differ by our names, which the exporter does not take."""
    graph = model.graph
    names = {
        port.type.tensor_type.shape.dim[axis].dim_param: name
        for port in graph.input
        for axis, name in part.free.get(port.name, {}).items()
    }
    if not names:
        return
    pattern = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    for one in (*graph.input, *graph.output, *graph.value_info):
        for side in one.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = pattern.sub(lambda found: names[found[0]], side.dim_param)


def _strip(model: onnx.ModelProto) -> None:
    """Take out what names files of the machine it was made on; equal models give equal bytes."""
    del model.metadata_props[:]
    graph = model.graph
    del graph.metadata_props[:]
    graph.doc_string = ""
    for one in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del one.metadata_props[:]
        one.doc_string = ""


def exporters_word(error: Exception) -> str:
    """Return what an exporter cannot do, and where in our code that is, if it says."""
    place = _PLACE.search(str(error).replace(f"{_ROOT}/", ""))
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    reason = f"{type(error).__name__}: {first[:200]}"
    if place is None:
        return reason
    file, line, function = place.groups()
    return f"{function} ({file}:{line}) cannot be traced: {reason}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's talk to itself: it prints graphs and warns of its own deprecations."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
