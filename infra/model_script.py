"""The model as a service of MLflow: this file is copied beside the weights of every version.

Reads the version's folder (safetensors and config, no pickle). MLflow runs this file by its path
(`mlflow.pyfunc.load_model("models:/super-resolution@champion").predict(frames)`); nothing of ours
imports it. The application must be installed where it runs: the network's code is not copied.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt


class ModelService(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """Arrays in, arrays out, of the ranks the signature says, as the network's `serve` does.

    Super-resolution: (B, T, 3, h, w) float32 of 0..1 to (B, T, 3, s*h, s*w). Depth: (B, 3, 112,
    112) to (B, 2, 28, 28), inverse depth up to scale and shift and the log of its error.
    Style: (B, T, 3, H, W) of 0..1 to the same, painted in the network's first style.
    Distiller and student: (B, V, T, 3, h, w) float32 of 0..255, what V = 1..8 cameras saw at T
    instants 80 ms apart, to (B, 128), an embedding a window, of length 1: the code of pictures
    alone, of cameras without calibration, with every frame there.
    """

    def load_context(self, context: Any) -> None:  # noqa: ANN401  MLflow's own class
        """Read the weights. By name, because `infra` stands below `models` in the arrow."""
        weights = importlib.import_module("models.weights")
        self._model = weights.load(Path(context.artifacts["model"])).eval()

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002  MLflow's protocol
        # MLflow knows the bare class alone, and warns of any other hint and of none.
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> npt.NDArray[np.float32]:
        """Return what the model makes of a batch."""
        torch = importlib.import_module("torch")
        frames = torch.from_numpy(np.ascontiguousarray(model_input, dtype=np.float32))
        with torch.inference_mode():
            answer: npt.NDArray[np.float32] = self._model.serve(frames).numpy()
        return answer


mlflow.models.set_model(ModelService())
