"""The whole road as a team has it: servers, a store and two machines, one of which is lost."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from registered_distillers import register_distiller
from service_processes import ask, environment, running
from team import COMMAND, DONE, DONE_WITH_QUARANTINE, ROOT, adds_up, ended

from catalog.contents import content_digests
from catalog.query import run
from catalog.store import Catalog
from flows.demo_steps import HELDOUT_CLIPS

if TYPE_CHECKING:
    from pathlib import Path

    from service_processes import Service
    from team import Team

    from tasks.synthetic.archive import Truth

# By a signal, which lets services be stopped: a thread would end the process and leave them.
pytestmark = [pytest.mark.services, pytest.mark.timeout(1500, method="signal")]
EXTRACTED = ("recordings", "quarantine", "sessions", "shots", "clips", "features")
FLOW_RUNS = "select f.name, r.state_type::text from flow_run r join flow f on f.id = r.flow_id"
MODELS = "select name, max(version) from model_versions group by name"


def alone(home: Path, *arguments: str) -> None:
    """Run a command without any service, as it comes."""
    ended = subprocess.run(
        [*COMMAND, "--home", str(home), *arguments],
        cwd=ROOT,
        env=environment({"STILLHOUSE_CPUS": "2"}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode in {DONE, DONE_WITH_QUARANTINE}, ended.stderr[-3000:]


def lose(node: Service, lost: list[float]) -> None:
    """Kill a machine as soon as a worker on it has clips in hand."""
    assert node.process is not None
    machine, until = psutil.Process(node.process.pid), time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(psutil.Error):
            for one in machine.children(recursive=True):
                if "".join(one.cmdline()[:1]).startswith("ray::_Holder.run"):
                    node.kill()
                    lost.append(time.monotonic())
                    return
        time.sleep(0.005)


def test_the_road_loses_nothing_with_a_machine(
    team: Team, truth: Truth, home: Path, tmp_path: Path
) -> None:
    """Ingest to search over the services; a node dies while it extracts; every input is there.

    Prefect's runs and MLflow's are rows in Postgres, models are objects in the store, and so is
    the catalog, which says the same of the archive as one on a disk does.
    """
    settings, lost = team.settings(home), list[float]()
    reports = {}
    with running(team.node(1)) as node:
        reports["ingest"] = team.done(home, "ingest", str(truth.folder))
        with team.begun(home, "extract") as process:
            killer = threading.Thread(target=lose, args=(node, lost))
            killer.start()
            reports["extract"] = ended(process)
            killer.join()
    assert lost
    select = ("--select", HELDOUT_CLIPS, "--input-side", "64")
    reports["distill"] = team.done(home, "distill", "--preset", "ci")
    reports["promote"] = team.done(home, "promote")
    register_distiller(settings, tmp_path / "distiller", seed=1)
    reports["reindex"] = team.done(home, "reindex")
    reports["generate"] = team.done(home, "generate", "super-resolution", *select)
    for name, report in reports.items():
        assert adds_up(report), (name, report)
        assert report["done"] + report["quarantined"] == report["inputs"], name
    readable = sum(one.readable for one in truth.recordings.values())
    assert reports["ingest"]["done"] == readable
    assert reports["ingest"]["quarantined"] == len(truth.recordings) - readable
    # Lost with a machine is no fault of a clip's.
    assert reports["extract"]["quarantined"] == 0

    snapshot = Catalog(settings.catalog).snapshot()
    clips = run(snapshot, "select clip_id from current_clips")["clip_id"].to_pylist()
    found = team.done(home, "search", "--clip", clips[0], "--top", "100")
    assert {hit["clip_id"] for hit in found["hits"]} == set(clips[1:])
    twice = "select 1 from features group by clip_id, camera_id, view, version having count(*) > 1"
    assert run(snapshot, twice).num_rows == 0
    ledger = run(snapshot, "select flow, status from runs").to_pylist()
    assert {row["flow"] for row in ledger} == set(reports)
    assert {row["status"] for row in ledger} == {"done"}

    runs = ask(team.postgres_port, "prefect", FLOW_RUNS)
    assert {name for name, state in runs if state == "COMPLETED"} >= set(reports)
    models = dict(ask(team.postgres_port, "mlflow", MODELS))
    assert models == {"distiller": 1, "super-resolution": 1}
    weights = [key for key in team.store.keys("mlflow") if key.endswith("weights.safetensors")]
    assert len(weights) == len(models)

    # Without any service, on one machine and a disk: the same to the last bit.
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "assets").symlink_to(home / "assets")
    alone(apart, "ingest", str(truth.folder))
    alone(apart, "extract")
    ours = content_digests(snapshot)
    theirs = content_digests(Catalog(apart / "catalog").snapshot())
    assert {name: ours[name] for name in EXTRACTED} == {name: theirs[name] for name in EXTRACTED}
