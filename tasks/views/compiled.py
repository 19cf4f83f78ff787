"""A network that OpenVINO has compiled, called by several threads at once.

Reads a network's file, writes nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

# float32, not the bf16 that OpenVINO picks by itself where the CPU has it: equal features on
# every machine, so that a cache filled on one is valid on all.
PRECISION = "f32"


class Compiled:
    """A compiled network; each thread has an inference request of its own, on one core."""

    def __init__(self, file: Path, threads: int, example: Sequence[npt.NDArray[Any]]) -> None:
        """Read and compile a network for up to `threads` callers, and run it once on `example`."""
        import openvino

        self._compiled = openvino.Core().compile_model(
            str(file),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": threads,
                "INFERENCE_PRECISION_HINT": PRECISION,
            },
        )
        self._own = threading.local()
        # The binding initialises itself at the first inference, and not safely: two threads that
        # are first together wait for each other for good.
        self(*example)

    def __call__(self, *inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the network's first output for these inputs."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer(list(inputs))
        found: npt.NDArray[Any] = request.get_output_tensor(0).data.copy()
        return found
