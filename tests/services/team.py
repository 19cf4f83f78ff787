"""A team's services, and commands that are run against them as a user does."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service_processes import environment, ray_node

from infra.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from object_store import ObjectStore
    from service_processes import Service

ROOT = Path(__file__).parents[2]
DONE, DONE_WITH_QUARANTINE = 0, 3
COMMAND = (sys.executable, "-m", "flows.cli")


@dataclass
class Team:
    """The services, and what a client's environment says of them."""

    folder: Path
    postgres: Service
    postgres_port: int
    prefect: Service
    prefect_url: str
    mlflow: Service
    mlflow_url: str
    store: ObjectStore
    ray_head: str
    variables: dict[str, str]

    def settings(self, home: Path) -> Settings:
        """Return a home's settings, whose catalog is in the store."""
        return Settings(
            home=home,
            catalog_uri=f"s3://stillhouse/{home.name}",
            mlflow_tracking_uri=self.mlflow_url,
            ray_address=self.ray_head,
            cpus=2,
        )

    def given(self, home: Path) -> dict[str, str]:
        """Return the environment of a command."""
        return environment(self.variables | self.settings(home).as_environment())

    def node(self, number: int) -> Service:
        """Return another Ray node, not started."""
        return ray_node(self.folder, number, self.variables, self.ray_head)[0]

    @contextmanager
    def begun(self, home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command as a user does; it is killed if it is not done at the end."""
        process = subprocess.Popen(
            [*COMMAND, "--home", str(home), *arguments, "--json"],
            cwd=ROOT,
            env=self.given(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def done(self, home: Path, *arguments: str) -> dict[str, Any]:
        """Run a command to its end and return the object it prints."""
        with self.begun(home, *arguments) as process:
            return ended(process)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a command that does what it is told, and return the object it prints."""
    out, said = process.communicate(timeout=600)
    assert process.returncode in {DONE, DONE_WITH_QUARANTINE}, (out + said)[-4000:]
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def adds_up(report: dict[str, Any]) -> bool:
    """Hold the conservation law over a report, with nothing left over."""
    outcomes = ("done", "cached", "quarantined", "failed", "pending")
    whole: bool = report["inputs"] == sum(report[name] for name in outcomes)
    return whole and report["failed"] == report["pending"] == 0
