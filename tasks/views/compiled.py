"""A network that OpenVINO has compiled, called by several threads at once.

Reads a network's file, writes nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# float32, not the bf16 that OpenVINO picks by itself where the CPU has it: equal features on
# every machine, so that a cache filled on one is valid on all.
PRECISION = "f32"


class Compiled:
    """A compiled network; each thread has an inference request of its own, on one core."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401  OpenVINO's, or the path of its file (which `fixed` needs)
        threads: int,
        example: Sequence[npt.NDArray[Any]],
        precision: str = PRECISION,
        *,
        fixed: bool = False,
    ) -> None:
        """Compile a network for up to `threads` callers, and run it once on `example`.

        With `fixed` it takes inputs of the example's shapes alone, which is quicker by a tenth
        where the model leaves them open, with equal answers.

        Its streams are not pinned: one that is pinned to a core waits there for whoever has it
        while another core is idle, .6 of the speed of two threads that are not.
        """
        import openvino

        self._tensor = openvino.Tensor
        core = openvino.Core()
        if fixed:
            model = core.read_model(model)
            model.reshape({k: list(one.shape) for k, one in enumerate(example)})
        self._compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": threads,
                "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
        self._outputs = range(len(self._compiled.outputs))
        self._own = threading.local()
        # The binding initialises itself at the first inference, and not safely: of two threads
        # that are first together one waits for the interpreter's lock and the other, holding it,
        # for the first. Seen as an extraction that stood still for good.
        self(*example)

    def __call__(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Return copies of the network's outputs for these inputs, in order."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        # OpenVINO reads this memory until `wait` returns, and holds it by no name: what was not
        # contiguous is a copy that nobody else has.
        held = [np.ascontiguousarray(given) for given in inputs]
        # The tensors by hand: `infer(inputs)` holds the interpreter's lock for .5 ms, this for .2.
        for k, whole in enumerate(held):
            request.set_input_tensor(k, self._tensor(whole, shared_memory=True))
        request.start_async()
        request.wait()
        return [request.get_output_tensor(k).data.copy() for k in self._outputs]
