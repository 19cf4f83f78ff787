"""Services go away and come back while work is done: nothing is lost, nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from service_processes import environment, wait_for
from team import COMMAND, DONE, DONE_WITH_QUARANTINE, ROOT, adds_up, ended

from catalog.query import run
from catalog.schemas.registry import TABLES
from catalog.store import Catalog
from tasks.synthetic.archive import ArchiveSpec, write_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from team import Team

    from infra.settings import Settings
    from tasks.synthetic.archive import Truth

# By a signal, which lets services be stopped: a thread would end the process and leave them.
pytestmark = [pytest.mark.services, pytest.mark.timeout(800, method="signal")]


def require_whole(settings: Settings, truth: Truth) -> None:
    """Require that every file of the archive is in the catalog, each once, and no key is twice."""
    snapshot = Catalog(settings.catalog).snapshot()
    found = run(snapshot, "select member, status from current_files").to_pylist()
    known = {row["member"]: row["status"] != "quarantined" for row in found}
    assert known == {name: one.readable for name, one in truth.recordings.items()}
    for table in TABLES.values():
        if table.key:
            key = ", ".join(f'"{name}"' for name in table.key)
            twice = f'select 1 from "{table.name}" group by {key} having count(*) > 1'  # noqa: S608
            assert run(snapshot, twice).num_rows == 0, table.name


def at_work(team: Team, home: Path, table: str) -> None:
    """Wait until a run has written to a table."""
    prefix = f"{home.name}/{table}/"
    wait_for(lambda: any(key.startswith(prefix) for key in team.store.keys("stillhouse")), prefix)


def prefect_restarts(team: Team) -> None:
    team.prefect.kill()
    time.sleep(3)
    team.prefect.start()


def postgres_restarts(team: Team) -> None:
    team.postgres.stop()
    time.sleep(3)
    team.postgres.start()


@pytest.mark.parametrize("restarts", [prefect_restarts, postgres_restarts])
def test_a_run_goes_on_when_its_server_comes_back(
    team: Team, truth: Truth, home: Path, restarts: Callable[[Team], None]
) -> None:
    """Prefect's server is killed, or the database below it is stopped, in mid-run: all is done."""
    with team.begun(home, "ingest", str(truth.folder)) as process:
        at_work(team, home, "recordings")
        restarts(team)
        report = ended(process)
    assert adds_up(report)
    require_whole(team.settings(home), truth)
    # MLflow has the same database and opens new connections to it by itself.
    assert team.done(home, "show", "models") is not None


def test_a_store_that_goes_away_stops_the_run_and_the_next_one_ends_it(
    team: Team, truth: Truth, home: Path
) -> None:
    """The error says what failed in one sentence; run again, the catalog is whole."""
    with team.begun(home, "ingest", str(truth.folder)) as process:
        at_work(team, home, "recordings")
        team.store.stop()
        try:
            out, said = process.communicate(timeout=400)
        finally:
            team.store.start()
    assert process.returncode == 1, (out + said)[-3000:]
    assert "error: The store of s3://stillhouse/" in said
    assert "Traceback" not in said.partition("error: The store")[2]
    assert adds_up(team.done(home, "ingest", str(truth.folder)))
    require_whole(team.settings(home), truth)


def test_two_runs_of_one_flow_at_once_store_nothing_twice(
    team: Team, truth: Truth, home: Path
) -> None:
    """Each does, or finds done, every file; their commits to the store wait for each other."""
    arguments = ("ingest", str(truth.folder))
    with team.begun(home, *arguments) as one, team.begun(home, *arguments) as other:
        reports = [ended(one), ended(other)]
    assert all(map(adds_up, reports))
    require_whole(team.settings(home), truth)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A disk of its own of a few MiB that can be made larger; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", folder], capture_output=True, check=False
    )
    if os.geteuid() != 0 or made.returncode:
        pytest.skip("a disk of its own can be mounted by root alone")

    def resized(size: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
        return folder

    yield resized
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_fills_up_stops_the_run_and_costs_nothing(
    weights: Path, tmp_path: Path, small_disk: Callable[[str], Path]
) -> None:
    """With room again the same command ends what it began: every feature once, none refused."""
    truth = write_archive(tmp_path / "archive", ArchiveSpec(take_frames=40, single_frames=36))
    home, disk = tmp_path / "home", small_disk("64m")
    home.mkdir()
    (home / "assets").symlink_to(weights)
    given = environment(
        {
            "STILLHOUSE_CATALOG_URI": str(disk / "catalog"),
            "STILLHOUSE_CPUS": "2",
            "STILLHOUSE_MIN_FREE_BYTES": "0",
        }
    )

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        whole = [*COMMAND, "--home", str(home), *arguments]
        return subprocess.run(
            whole, cwd=ROOT, env=given, capture_output=True, text=True, timeout=400, check=False
        )

    assert command("ingest", str(truth.folder)).returncode == DONE_WITH_QUARANTINE
    used = sum(one.stat().st_size for one in disk.rglob("*") if one.is_file())
    small_disk(str(used + (300 << 10)))
    full = command("extract")
    assert full.returncode == 1, full.stderr[-3000:]
    assert "error: No space left to write" in full.stderr
    small_disk("64m")
    again = command("extract")
    assert again.returncode == DONE, again.stderr[-3000:]
    snapshot = Catalog(disk / "catalog").snapshot()
    keys = run(snapshot, "select clip_id, camera_id, view from features").to_pylist()
    assert max(Counter(tuple(key.values()) for key in keys).values()) == 1
    wanted = run(snapshot, "select clip_id, unnest(cameras) from current_clips").num_rows
    views = {key["view"] for key in keys}
    assert len(keys) == wanted * len(views)
    assert run(snapshot, "from quarantine where stage = 'extract'").num_rows == 0
