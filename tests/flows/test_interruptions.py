"""Kill a run anywhere, run it again: the catalog is what an uninterrupted run makes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.contents import content_digests
from catalog.store import Catalog
from flows.extract import extract
from flows.ingest import ingest
from infra.settings import load_settings

if TYPE_CHECKING:
    from tests.conftest import Road

CONTENT = ("recordings", "quarantine", "sessions", "shots", "clips", "features")


def killed_when(path: Path, home: Path, *arguments: str) -> bool:
    """Run the command and kill it without warning as soon as `path` is there.

    Returns whether it was killed rather than done before.
    """
    command = [str(Path(sys.executable).parent / "stillhouse"), "--home", str(home), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "MLFLOW"))}
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    running = process.poll() is None
    # The whole group: driver, Prefect's server, Ray.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running and path.exists()


def test_a_killed_ingest_and_extract_end_as_if_nothing_had_happened(
    road: Road, weights: Path, tmp_path: Path
) -> None:
    """Killed after its first commit, each flow completes when run again, and nothing is doubled."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "assets").symlink_to(weights)
    archive = str(road.truth.folder)
    log = "_delta_log/00000000000000000000.json"
    assert killed_when(home / "catalog" / "recordings" / log, home, "ingest", archive)
    assert ingest(archive, str(home))["pending"] == 0
    assert killed_when(home / "catalog" / "features" / log, home, "extract")
    report = extract((), str(home))
    assert report["done"] + report["cached"] == report["inputs"]
    again = content_digests(Catalog(load_settings(home).catalog).snapshot())
    whole = content_digests(Catalog(road.settings.catalog).snapshot())
    assert {name: again[name] for name in CONTENT} == {name: whole[name] for name in CONTENT}
