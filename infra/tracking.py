"""MLflow's runs: starts one, logs what it measured and read. `past_runs.py` reads them again.

Writes the tracking store and artifacts that the settings name (by default SQLite and a folder
below home). MLflow is imported where it is used: 1.3 s.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infra.log_lines import bound
from infra.tracking_database import prepare_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from infra.settings import Settings

# MLflow takes this many metrics in one request.
_METRICS_PER_BATCH = 1000


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file of an embedded MLflow, None where a server or database is set."""
    uri = settings.tracking_uri
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_empty(settings: Settings) -> bool:
    """Tell without importing MLflow that nothing was ever logged: there is no store yet."""
    file = database_file(settings)
    return file is not None and not file.exists()


def client(settings: Settings) -> Any:  # noqa: ANN401  MLflow ships no types we follow
    """Return an MLflow client of the settings' store; an embedded one is made where it is absent.

    The first use of a new store creates its tables (2-3 s), later ones take .1 s. One that an older
    MLflow made is brought forward.
    """
    settings.prepare_process()
    import mlflow
    from mlflow import environment_variables as switches

    # A link to every run would go to stdout, where results go; a bar to every small file's copy.
    switches.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)
    switches.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if (file := database_file(settings)) is not None:
        prepare_database(file, settings.mlflow_artifacts)
    if mlflow.get_tracking_uri() != settings.tracking_uri:
        mlflow.set_tracking_uri(settings.tracking_uri)
    if mlflow.get_registry_uri() != settings.tracking_uri:
        mlflow.set_registry_uri(settings.tracking_uri)
    return mlflow.MlflowClient()


def failed_with(error: Exception, *codes: str) -> bool:
    """Tell whether an error is MLflow's and carries one of these codes."""
    return getattr(error, "error_code", None) in codes


class Run:
    """One open MLflow run; made by `start_run`."""

    def __init__(self, settings: Settings, run_id: str, store: Any) -> None:  # noqa: ANN401
        self.settings = settings
        self.run_id = run_id
        self._store = store

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log several numbers at once."""
        self._log([(name, float(value), step) for name, value in metrics.items()])

    def log_curve(
        self, name: str, values: Sequence[float], times_ms: Sequence[float] | None = None
    ) -> None:
        """Log one number per step, in batches (8 ms each one by one, .1 ms so).

        `times_ms` say when each was measured, since the epoch; now, if they are not given.
        """
        self._log([(name, float(value), k) for k, value in enumerate(values)], times_ms)

    def _log(
        self, found: Sequence[tuple[str, float, int]], times_ms: Sequence[float] | None = None
    ) -> None:
        from mlflow.entities import Metric

        times = times_ms or [time.time_ns() // 1_000_000] * len(found)
        metrics = [
            Metric(name, value, int(at), step)
            for (name, value, step), at in zip(found, times, strict=True)
        ]
        for at in range(0, len(metrics), _METRICS_PER_BATCH):
            self._store.log_batch(self.run_id, metrics=metrics[at : at + _METRICS_PER_BATCH])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Say more of the run; an empty text is left out, which MLflow would refuse."""
        from mlflow.entities import RunTag

        said = [RunTag(name, text) for name, text in tags.items() if text]
        self._store.log_batch(self.run_id, tags=said)

    def log_json(self, value: object, path: str) -> None:
        """Keep a value as a JSON artifact."""
        self.log_text(json.dumps(value, indent=2, ensure_ascii=False), path)

    def log_text(self, text: str, path: str) -> None:
        """Keep a text as an artifact."""
        self._store.log_text(self.run_id, text, path)

    def log_table(self, rows: Sequence[Mapping[str, object]], path: str) -> None:
        """Keep rows (all with the keys of the first) so that MLflow's page shows them as a table.

        Raises:
            ValueError: a row has other keys than the first.
        """
        columns = list(rows[0]) if rows else []
        if any(set(row) != set(columns) for row in rows):
            raise ValueError(f"the rows of {path} have different columns")
        table = {name: [row[name] for row in rows] for name in columns}
        self._store.log_table(self.run_id, table, path)

    def log_picture(self, rgb: npt.NDArray[np.uint8], path: str) -> None:
        """Keep a picture, (H, W, 3) uint8 red green blue, in the format its name ends in."""
        import cv2

        with TemporaryDirectory() as temporary:
            file = Path(temporary) / Path(path).name
            if not cv2.imwrite(str(file), rgb[..., ::-1]):
                raise ValueError(f"{path} is not a picture format that can be written")
            folder = str(Path(path).parent)
            self._store.log_artifact(self.run_id, str(file), None if folder == "." else folder)

    def log_input_snapshot(self, catalog_uri: str, versions: Mapping[str, int]) -> None:
        """Name the catalog's tables, each with its version, as what this run read."""
        import mlflow
        from mlflow.data.delta_dataset_source import DeltaDatasetSource
        from mlflow.data.meta_dataset import MetaDataset

        for table, version in sorted(versions.items()):
            path = f"{catalog_uri.rstrip('/')}/{table}"
            digest = hashlib.sha256(f"{path}@{version}".encode()).hexdigest()[:12]
            source = DeltaDatasetSource(path=path, delta_table_version=version)
            mlflow.log_input(MetaDataset(source, name=table, digest=digest), context="training")


@contextmanager
def start_run(
    settings: Settings,
    experiment: str,
    params: Mapping[str, object],
    tags: Mapping[str, str],
) -> Iterator[Run]:
    """Open a run of `experiment` (made if absent); it ends FINISHED, FAILED or KILLED.

    FAILED is a block that raised, KILLED one that was interrupted. One run at a time a thread.
    """
    store = client(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    opened = mlflow.start_run(experiment_id=_experiment(settings, store, experiment), tags=tags)
    run = Run(settings, opened.info.run_id, store)
    try:
        mlflow.log_params(dict(params))
        with bound(mlflow_run_id=run.run_id):
            yield run
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        # A server that went away cannot be told; why the block ended matters more.
        with suppress(MlflowException):
            mlflow.end_run("KILLED" if interrupted else "FAILED")
        raise
    mlflow.end_run("FINISHED")


def _experiment(settings: Settings, store: Any, name: str) -> str:  # noqa: ANN401
    from mlflow.exceptions import MlflowException

    found = store.get_experiment_by_name(name)
    if found is None:
        # A server knows where its artifacts go; an embedded store is told.
        embedded = database_file(settings) is not None
        location = (settings.mlflow_artifacts / name).as_uri() if embedded else None
        try:
            created: str = store.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            if not failed_with(error, "RESOURCE_ALREADY_EXISTS"):
                raise
            found = store.get_experiment_by_name(name)  # another process was first
        else:
            return created
    experiment_id: str = found.experiment_id
    return experiment_id
