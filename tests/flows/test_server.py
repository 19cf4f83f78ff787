"""A server of one's own, a worker beside it, and what they do by themselves: real processes."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from catalog.query import rows
from catalog.store import Catalog
from flows.deployments import POOL, Wishes, deploy
from flows.events import model_was_promoted
from infra.errors import NoServerError
from infra.prefect_server import answers, own_server, worker
from infra.settings import Settings
from tasks.synthetic.archive import write_archive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A worker looks for work every few seconds, and each run starts a process of its own.
PATIENCE_S = 240


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def waited(found: Callable[[], Any]) -> Any:  # noqa: ANN401
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(1)
    raise TimeoutError


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_night_and_a_promotion_are_seen_to_by_the_server(weights: Path, tmp_path: Path) -> None:
    """A nightly run ingests the archive; a promotion that is told sets off what follows one."""
    settings = Settings(home=tmp_path / "home")
    settings.root.mkdir()
    (settings.root / "assets").symlink_to(weights)
    write_archive(tmp_path / "archive")
    wishes = Wishes(home=str(settings.root), archives=(str(tmp_path / "archive"),))
    port = free_port()
    with own_server(settings, port) as url, temporary_settings({PREFECT_API_URL: url}):
        with pytest.raises(NoServerError, match="answers at"), own_server(settings, port):
            pass
        names = asyncio.run(deploy(wishes, {}))
        # To deploy again changes nothing but what is asked.
        assert asyncio.run(deploy(wishes, {})) == names
        with worker(settings, url, POOL), get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("nightly/stillhouse")
            begun = client.create_flow_run_from_deployment(deployment.id)

            def ended() -> str | None:
                state = client.read_flow_run(begun.id).state
                return state.name if state is not None and state.is_final() else None

            assert waited(ended) == "Completed"
            model_was_promoted("super-resolution", 1)
            event = client.read_deployment_by_name("promoted/stillhouse")

            def followed() -> Any:  # noqa: ANN401
                runs = client.read_flow_runs(limit=50)
                mine = [run for run in runs if run.deployment_id == event.id]
                return [run for run in mine if run.state is not None and run.state.is_final()]

            (run,) = waited(followed)
            assert run.state.name == "Completed"
            assert run.parameters["model"] == "super-resolution"
    assert not answers(url, timeout_s=1)
    found = rows(Catalog(settings.catalog).snapshot(), "runs_latest")
    assert {row["flow"] for row in found} == {"ingest", "extract"}
