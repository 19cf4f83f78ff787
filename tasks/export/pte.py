"""A step of a model as an ExecuTorch program, for phones: the optional extra `executorch`.

Tensors and bytes; reads and writes no file. Convolutions go to XNNPACK; what that does not take
runs in ExecuTorch's portable kernels.
"""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from infra.errors import ExporterMissingError, ExportUnsupportedError
from tasks.export.onnx_step import exporters_word, quiet

if TYPE_CHECKING:
    from models.portable import Portable


def to_pte(part: Portable) -> bytes:
    """Return a step as a program of one file, for inputs of the example's shapes.

    Raises:
        ExporterMissingError: ExecuTorch is not installed.
        ExportUnsupportedError: something in it cannot be exported; the message says what.
    """
    if find_spec("executorch") is None:
        raise ExporterMissingError(
            "A .pte is made by the package executorch, which is not installed.",
            command="pip install 'stillhouse[executorch]'",
        )
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    # Its passes know plain layouts alone.
    module = copy.deepcopy(part.module).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # absent from torch's stub
    with quiet():
        try:
            program = torch.export.export(module, tuple(part.example().values()), strict=False)
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            found: bytes = lowered.to_executorch().buffer
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # ExecuTorch and torch's exporter have no error in common.
            raise ExportUnsupportedError(exporters_word(error)) from error
    return found
