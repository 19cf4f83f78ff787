"""An MLflow server that goes away while a model is trained costs no training."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psutil
import pytest

from infra import registry
from infra.errors import TrackingUnavailableError
from infra.past_runs import run_facts, run_metrics
from infra.settings import Settings
from infra.tracking import client
from tasks.depth.presets import DepthPreset
from tasks.depth.recipe import heldout_digest
from tasks.runs.record import FlowRun
from tasks.training.distill import distill_model
from tasks.training.kept_results import kept_results, plan_folder
from tasks.training.recipe import DistillPlan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 90
TINY = DepthPreset("tiny", steps=4, world_scenes=2, engine_scenes=0, views=2, batch=4)
TINY = dataclasses.replace(TINY, channels=(16, 16, 16, 16), report_every=2)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run an MLflow server over a folder and wait until it answers; it ends with the block."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")},
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.2)
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers at once, as a lost machine would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_when(file: Path, process: subprocess.Popen[bytes]) -> threading.Thread:
    """Kill a server as soon as a file is there."""

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        kill(process)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.long
def test_a_server_that_is_killed_in_mid_run_costs_no_training(
    ray_local: Settings,  # noqa: ARG001  the task finds it running
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The result is kept with its weights; with the server back the same plan registers it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    port, store = free_port(), tmp_path / "server"
    store.mkdir()
    settings = Settings(home=tmp_path / "home", mlflow_tracking_uri=f"http://127.0.0.1:{port}")
    plan = DistillPlan(
        model="depth",
        preset=TINY,
        material=("world",),
        parameters=dataclasses.asdict(TINY),
        steps=TINY.scenes + TINY.steps,
        key="0123abcd",
        heldout_digest=heldout_digest(("world",)),
    )
    folder = plan_folder(settings, plan.key)
    with server(store, port) as process:
        # Trained and saved; it is being judged.
        killer = kill_when(folder / "config.json", process)
        with pytest.raises(TrackingUnavailableError, match="is kept in") as caught:
            distill_model.fn(plan, FlowRun("distill", settings))
        killer.join()
    assert caught.value.command == "stillhouse distill --resume"
    (kept,) = kept_results(settings)

    with server(store, port):
        lost = client(settings).get_run(kept.mlflow_run_id)
        assert lost.info.status == "RUNNING"  # nobody could tell the server
        run = FlowRun("distill", settings)
        # Of a renderer that there is not nothing could be learned: nothing is trained.
        found = distill_model.fn(dataclasses.replace(plan, material=("none",)), run)
        assert (found["version"], run.ledger.done) == (1, 1)
        assert not folder.exists()
        info = registry.version_info(settings, "depth", 1)
        assert info.digest == kept.result["digest"]
        facts = run_facts(settings, info.run_id)
        assert facts.tags["trained_by"] == kept.mlflow_run_id
        assert facts.tags["git_revision" if "git_revision" in facts.tags else "package_version"]
        assert facts.params["seed"] == "0"
        metrics = run_metrics(settings, info.run_id)
        assert metrics["train.loss"] == pytest.approx(kept.result["losses"][-1])
        assert 0 < metrics["system/rss_megabytes"] < psutil.virtual_memory().total / 1e6
        assert metrics["system/cpu_seconds"] > 0
        assert client(settings).get_run(kept.mlflow_run_id).info.status == "FAILED"
        again = FlowRun("distill", settings)
        assert distill_model.fn(plan, again)["version"] == 1
        assert (again.ledger.cached, again.ledger.done) == (1, 0)
