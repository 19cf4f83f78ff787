"""A model's files in and out of MLflow: registers a folder as a version, fetches it again.

Reads a folder of weights.safetensors and config.json; writes MLflow's artifacts and registry, and
downloaded copies by digest below `home/state/models`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import warnings
from contextlib import contextmanager
from importlib.metadata import version as package_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infra.errors import ModelInvalidError
from infra.storage import disk_errors
from infra.tracking import Run, client, failed_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from infra.registry import ModelVersion
    from infra.settings import Settings

DIGEST_TAG = "weights_digest"
MODEL_FILES = ("config.json", "weights.safetensors")
# What a stock MLflow must install besides this application to serve a version.
REQUIREMENTS = ("mlflow", "numpy", "safetensors", "torch")


def register_model(
    run: Run,
    name: str,
    folder: Path,
    *,
    example: npt.NDArray[np.float32],
    tags: Mapping[str, str],
) -> int:
    """Register the two model files in `folder` as the next version; return it.

    It becomes an MLflow pyfunc without pickle, so that a stock MLflow loads it. It must answer
    `example` before it is logged; its signature has the ranks and dtypes of both, of any size: a
    picture network answers in its input's rank, the distiller windows of six axes by vectors. The
    version has its tags from the moment it exists.

    Raises:
        ModelInvalidError: the model does not load, or does not answer one thing a batch entry.
    """
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema

    asked = Schema([_spec(example)])
    with TemporaryDirectory() as temporary, warnings.catch_warnings():
        # It asks for an input example, with which it would run the model thrice.
        warnings.simplefilter("ignore", UserWarning)
        staged = Path(temporary) / "model"
        staged.mkdir()
        given = {
            "python_model": str(Path(__file__).with_name("model_script.py")),
            "artifacts": {"model": str(staged)},
            "pip_requirements": [_pinned(one) for one in REQUIREMENTS],
        }
        tried = str(Path(temporary) / "tried")
        try:
            for file in MODEL_FILES:
                # Nothing else: a plan's folder has checkpoints too.
                shutil.copy2(folder / file, staged)
            mlflow.pyfunc.save_model(tried, signature=ModelSignature(inputs=asked), **given)
            answer = mlflow.pyfunc.load_model(tried).predict(example)
        except (MlflowException, ValueError, RuntimeError, OSError) as error:
            raise ModelInvalidError(f"The model in {folder} does not run: {error}") from error
        if not answer.ndim or len(answer) != len(example):
            raise ModelInvalidError(
                f"The model in {folder} answers {answer.shape} to {example.shape}."
            )
        logged = mlflow.pyfunc.log_model(
            name=name,
            signature=ModelSignature(inputs=asked, outputs=Schema([_spec(answer)])),
            **given,
        )
    store = client(run.settings)
    try:
        store.create_registered_model(name)
    except MlflowException as error:
        if not failed_with(error, "RESOURCE_ALREADY_EXISTS"):
            raise
    kept = {DIGEST_TAG: _folder_digest(folder), **tags}
    made = store.create_model_version(
        name, logged.model_uri, run_id=run.run_id, tags=kept, model_id=logged.model_id
    )
    return int(made.version)


def _spec(array: npt.NDArray[Any]) -> Any:  # noqa: ANN401  MLflow ships no types we follow
    from mlflow.types.schema import TensorSpec

    return TensorSpec(array.dtype, (-1,) * array.ndim)


def _pinned(package: str) -> str:
    # Without the local part: "2.13.0+cpu" is on no index.
    return f"{package}=={package_version(package).partition('+')[0]}"


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in MODEL_FILES:
        digest.update(
            f"{name}:{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()


def download(settings: Settings, model: ModelVersion) -> Path:
    """Return a folder with the version's weights.safetensors and config.json.

    Kept by digest below `home/state/models`: the second call needs neither MLflow nor a network.

    Raises:
        ModelInvalidError: the version has no weights of ours.
    """
    if not re.fullmatch(r"[0-9a-f]{16,128}", model.digest):
        raise ModelInvalidError(f"{model.uri} has no digest of its weights.")
    kept = settings.state / "models" / model.digest
    if kept.is_dir():
        return kept
    with disk_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with fetched(settings, model, kept.parent) as folder:
            try:
                folder.rename(kept)
            except OSError:
                if not kept.is_dir():  # else another process was first
                    raise
    return kept


@contextmanager
def fetched(settings: Settings, model: ModelVersion, near: Path | None = None) -> Iterator[Path]:
    """Yield a folder with the version's files as the registry has them now; it goes afterwards.

    `near` is where it lies meanwhile; the system's temporary folder, if it is not given.

    Raises:
        ModelInvalidError: the version has no weights of ours.
    """
    client(settings)
    import mlflow

    with TemporaryDirectory(prefix=".partial-", dir=near) as temporary:
        whole = mlflow.artifacts.download_artifacts(artifact_uri=model.uri, dst_path=temporary)
        folder = Path(whole) / "artifacts" / "model"
        if not folder.is_dir():
            raise ModelInvalidError(f"{model.uri} was not registered by this application.")
        yield folder


def place(settings: Settings, model: ModelVersion, folder: Path) -> None:
    """Copy a version's weights and config to `folder` unless it is there; two may race.

    Raises:
        ModelInvalidError: the version has no weights of ours.
    """
    if folder.is_dir():
        return
    kept = download(settings, model)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".partial-", dir=folder.parent) as temporary:
            whole = Path(temporary) / "model"
            shutil.copytree(kept, whole)
            try:
                whole.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was first
                    raise
