"""A team's services on loopback, started once: Postgres, Prefect, MLflow, an S3 store, Ray."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

import pytest
from object_store import ObjectStore
from ordinary_user import open_folder
from service_processes import (
    mlflow_server,
    postgres,
    postgres_program,
    prefect_server,
    ray_node,
    running,
)
from team import ROOT, Team

from infra.settings import PROCESS_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def team() -> Iterator[Team]:
    """Start everything but a second Ray node (40 s); each with the secret that it asks for."""
    if postgres_program("initdb") is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ObjectStore("mlflow", "stillhouse")
    with open_folder() as folder, postgres(folder) as (database, port):
        store.start()
        word = secrets.token_hex(32)
        server, api = prefect_server(folder, port, f"admin:{word}")
        mlflow, url = mlflow_server(folder, port, word, store.variables)
        variables = {
            **PROCESS_ENVIRONMENT,
            **store.variables,
            "AWS_ALLOW_HTTP": "true",
            "PREFECT_HOME": str(folder / "prefect-client"),
            "PREFECT_API_URL": api,
            "PREFECT_API_AUTH_STRING": f"admin:{word}",
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": word,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": word,
            "PYTHONPATH": str(ROOT),
        }
        ray, head = ray_node(folder, 0, variables)
        with running(server), running(mlflow), running(ray), pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                if name.startswith(("AWS_", "MLFLOW_TRACKING_")):
                    patch.setenv(name, value)
            yield Team(folder, database, port, server, api, mlflow, url, store, head, variables)
        store.stop()


@pytest.fixture
def home(weights: Path, tmp_path: Path) -> Path:
    """A home with the assets that extraction needs, and a name of its own."""
    made = tmp_path / f"home-{secrets.token_hex(4)}"
    made.mkdir()
    (made / "assets").symlink_to(weights)
    return made
