"""What MLflow holds of runs that are over: their artifacts, numbers, tags and parameters.

Reads the tracking store; writes tables that a run gets afterwards, and the end of a run whose
process could not write it.
"""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.errors import ModelNotFoundError, StillhouseError, TrackingUnavailableError
from infra.tracking import Run, client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.settings import Settings

_CONNECT_TIMEOUT_S = 3.0
# Whose exceptions mean that MLflow, or the way to it, failed.
_MLFLOWS = frozenset({"mlflow", "requests", "urllib3", "sqlalchemy"})


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run was told: its parameters, tags, and the catalog tables it read (name: digest)."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    inputs: Mapping[str, str]


def run_facts(settings: Settings, run_id: str) -> RunFacts:
    """Return what is on record of a run."""
    found = client(settings).get_run(run_id)
    inputs = {one.dataset.name: one.dataset.digest for one in found.inputs.dataset_inputs}
    return RunFacts(dict(found.data.params), dict(found.data.tags), inputs)


def run_metrics(settings: Settings, run_id: str) -> dict[str, float]:
    """Return the last value of every metric of a run."""
    return dict(client(settings).get_run(run_id).data.metrics)


def read_artifact_json(settings: Settings, run_id: str, path: str) -> Any:  # noqa: ANN401
    """Return a JSON artifact of a run.

    Raises:
        ModelNotFoundError: no such run, or it has no such artifact.
    """
    store = client(settings)
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as temporary:
        try:
            file = store.download_artifacts(run_id, path, temporary)
        except (MlflowException, FileNotFoundError) as error:
            raise ModelNotFoundError(
                f"The MLflow run {run_id} has no {path}.", command="stillhouse show models"
            ) from error
        return json.loads(Path(file).read_text("utf-8"))


def append_table(
    settings: Settings, run_id: str, rows: Sequence[Mapping[str, object]], path: str
) -> None:
    """Add rows to a table of a run that may be over; the table is made if it is not there."""
    past_run(settings, run_id).log_table(rows, path)


def past_run(settings: Settings, run_id: str) -> Run:
    """Return a run that may be over, to be told more: it stays as it ended."""
    return Run(settings, run_id, client(settings))


def end_lost_run(settings: Settings, run_id: str) -> None:
    """Mark a run as failed that is still called running; none of that id is no error."""
    store = client(settings)
    from mlflow.exceptions import MlflowException

    try:
        if store.get_run(run_id).info.status == "RUNNING":
            store.set_terminated(run_id, "FAILED")
    except MlflowException:
        # Another server than the one that the run was begun on.
        return


def unreachable(settings: Settings) -> str:
    """Return why nobody listens where the MLflow server of the settings is, "" if somebody does.

    An embedded store needs no server.
    """
    where = urlsplit(settings.tracking_uri)
    if where.scheme not in ("http", "https"):
        return ""
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        socket.create_connection((where.hostname, port), _CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return f"no server answers at {settings.tracking_uri}: {error.strerror or error}"
    return ""


@contextmanager
def tracking_errors(settings: Settings, besides: str = "", command: str = "") -> Iterator[None]:
    """Turn MLflow's failures inside the block into an error with a remedy.

    `besides` is a sentence that the error ends with, `command` what to run once MLflow is there.

    Raises:
        TrackingUnavailableError: MLflow does not answer, or fails.
    """
    try:
        yield
    except StillhouseError:
        raise
    except Exception as error:
        # MLflow's, its database's and its HTTP client's errors have no class in common.
        if type(error).__module__.partition(".")[0] not in _MLFLOWS:
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrackingUnavailableError(
            f"MLflow at {settings.tracking_uri} fails: {first[:300]} {besides}".rstrip(),
            command=command or "stillhouse doctor",
        ) from error
