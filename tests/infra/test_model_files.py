"""A model of any ranks becomes a version that a stock MLflow serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from infra import registry
from infra.errors import ModelInvalidError
from infra.settings import Settings
from models import weights
from models.distiller import Distiller
from models.distiller_config import DistillerConfig
from models.superresolution import SuperResolution, SuperResolutionConfig

if TYPE_CHECKING:
    import numpy.typing as npt

TINY = DistillerConfig(
    side=64, channels=(8, 8, 8, 8), pyramid=8, width=16, heads=2, latents=2, layers=1, decoder=48
)

LOAD = """
import json, sys, mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/distiller/1")
said = model.predict(np.load(sys.argv[2]))
given, made = model.metadata.get_input_schema(), model.metadata.get_output_schema()
shapes = [list(schema.inputs[0].shape) for schema in (given, made)]
print(json.dumps({"shapes": shapes, "dtype": str(said.dtype), "said": said.tolist()}))
"""


def register(settings: Settings, folder: Path, example: npt.NDArray[np.float32]) -> int:
    """Register a folder as the next version of the distiller."""
    with registry.start_run(settings, "distiller", {}, {}) as run:
        return registry.register_model(run, "distiller", folder, example=example, tags={})


def test_a_stock_mlflow_answers_windows_by_embeddings(tmp_path: Path) -> None:
    """Six axes in, two out: the embeddings that the network itself gives, of length 1."""
    settings = Settings(home=tmp_path / "home")
    torch.manual_seed(0)
    network = Distiller(TINY).eval()
    network.codec.tabulate()
    weights.save(tmp_path / "model", network)
    register(settings, tmp_path / "model", np.zeros((1, 1, 2, 3, 64, 64), np.float32))
    # Three cameras, four steps, of another size than the example.
    windows = (np.random.default_rng(0).random((2, 3, 4, 3, 40, 48)) * 255).astype(np.float32)
    np.save(tmp_path / "windows.npy", windows)
    found = subprocess.run(
        [sys.executable, "-c", LOAD, settings.tracking_uri, str(tmp_path / "windows.npy")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )
    answer = json.loads(found.stdout)
    assert (answer["shapes"], answer["dtype"]) == ([[-1] * 6, [-1] * 2], "float32")
    said = np.array(answer["said"], np.float32)
    assert np.linalg.norm(said, axis=1) == pytest.approx(1, abs=1e-5)
    with torch.inference_mode():
        known = weights.load(tmp_path / "model").serve(torch.from_numpy(windows)).numpy()
    assert said == pytest.approx(known, abs=1e-5)
    assert np.abs(said[0] - said[1]).max() > 1e-3


def test_a_model_that_does_not_answer_is_never_logged(tmp_path: Path) -> None:
    """An example of a rank that the network does not take leaves no version and no logged model."""
    settings = Settings(home=tmp_path / "home")
    weights.save(tmp_path / "model", SuperResolution(SuperResolutionConfig()))
    with pytest.raises(ModelInvalidError, match="does not run"):
        register(settings, tmp_path / "model", np.zeros((1, 3), np.float32))
    assert registry.versions(settings, "distiller") == []
    assert not list(settings.mlflow_artifacts.rglob("MLmodel"))
